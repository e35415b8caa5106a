"""supertokens-python against a running handstamp: the scenarios of sdk-releases.test.mjs, behind FastAPI.

    pip install -r requirements/0.31.4.txt
    HANDSTAMP_BIN=path/of/handstamp python sessions.py

The SDK is set up once in a process. So each way to set it up is a group of scenarios in a process of its own, with its own
server.
"""

import asyncio
import contextlib
import subprocess
import sys
import traceback

import scenarios as s
from application import GENERATION, RELEASE, Application
from core import Proxy, Rotation, running

API_KEY = "a-key-of-twenty-characters"

# Each group: the server's settings, the SDK's, and the scenarios.
GROUPS = {
    "usual": (
        {"API_KEYS": API_KEY},
        {"api_key": API_KEY},
        [
            s.created_with_its_payload,
            s.verified_without_a_request,
            s.refresh_brings_other_tokens,
            s.first_use_after_a_refresh,
            s.old_refresh_token_is_theft,
            s.sessions_are_listed,
            s.one_is_revoked,
            s.all_are_revoked,
            s.tenants_are_listed_and_revoked_together,
            s.revoked_in_one_tenant,
            s.data_are_overwritten,
            s.regenerated_with_another_payload,
            s.payload_is_merged_into,
            s.claims_are_asked_for,
            s.jwt_is_verified_with_the_keys,
            s.anti_csrf_token_is_needed,
        ],
    ),
    "asking": ({"ACCESS_TOKEN_BLACKLISTING": "true"}, {"check_database": True}, [s.verified_with_a_request]),
    "custom header": ({}, {"anti_csrf": "VIA_CUSTOM_HEADER"}, [s.custom_header_is_needed]),
    "unguarded": ({}, {"anti_csrf": "NONE"}, [s.nothing_is_needed_without_a_guard]),
    "either transfer": ({}, {"transfer": None}, [s.tokens_travel_as_the_client_asks]),
    "crossing": ({}, {}, [s.session_goes_to_other_sdks_and_back]),
    "short": ({"ACCESS_TOKEN_VALIDITY": "1"}, {}, [s.access_token_ends]),
    # 0.034 min are 2.04 s.
    "ending": ({"ACCESS_TOKEN_VALIDITY": "1", "REFRESH_TOKEN_VALIDITY": "0.034"}, {}, [s.session_ends]),
    "rotation": (None, {}, [s.keys_change_under_load]),
}

NEEDS = {
    s.tenants_are_listed_and_revoked_together: "tenants",
    s.revoked_in_one_tenant: "revocation in one tenant",
}


async def run(port, rotation, options, scenarios):
    app = Application(Proxy(port), **options)
    app.rotation = rotation
    passed = []
    for scenario in scenarios:
        if NEEDS.get(scenario) in app.sdk.missing:
            continue
        try:
            await scenario(app, f"user-{scenario.__name__}")
            passed.append(scenario.__name__)
        except Exception:
            print(f"failed: {scenario.__name__}\n{traceback.format_exc()}", file=sys.stderr)
    s.equal(app.core.versions, {app.sdk.protocol})
    return passed


def run_group(name):
    """Prints the names of the scenarios that passed."""
    settings, options, scenarios = GROUPS[name]
    with contextlib.ExitStack() as stack:
        rotation = Rotation(stack) if settings is None else None
        port = rotation.port if rotation else stack.enter_context(running(settings))
        print("\n".join(asyncio.run(run(port, rotation, options, scenarios))))


def main():
    groups = [subprocess.Popen([sys.executable, __file__, name], stdout=subprocess.PIPE, text=True) for name in GROUPS]
    passed = []
    failed = False
    for group in groups:
        passed += group.communicate()[0].split()
        failed |= group.returncode != 0
    missing = GENERATION.missing
    asked = [scenario.__name__ for *_, all_of in GROUPS.values() for scenario in all_of if NEEDS.get(scenario) not in missing]
    apart = f" (not in this release: {', '.join(missing)})" if missing else ""
    print(f"supertokens-python {RELEASE}: {len(passed)} of {len(asked)}{apart}")
    return not failed and sorted(passed) == sorted(asked)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        run_group(sys.argv[1])
    else:
        sys.exit(0 if main() else 1)

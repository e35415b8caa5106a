"""supertokens-python against a running handstamp: the scenarios of sdk-releases.test.mjs, without a web framework.

    pip install -r requirements/0.31.4.txt
    HANDSTAMP_BIN=path/of/handstamp python sessions.py
"""

import asyncio
import http.client
import importlib.metadata
import os
import re
import subprocess
import sys
import threading
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from supertokens_python import InputAppInfo, SupertokensConfig, init
from supertokens_python.recipe import session as recipe
from supertokens_python.recipe.session import asyncio as sdk
from supertokens_python.recipe.session.exceptions import TokenTheftError, TryRefreshTokenError, UnauthorisedError
from supertokens_python.types import RecipeUserId

API_KEY = "a-key-of-twenty-characters"
PROTOCOL = "5.4"

requests = []
versions = set()
port = 0


class Proxy(BaseHTTPRequestHandler):
    """Notes what is asked of the server, and passes it on."""

    protocol_version = "HTTP/1.1"

    def pass_on(self):
        requests.append(f"{self.command} {self.path.split('?')[0]}")
        if version := self.headers.get("cdi-version"):
            versions.add(version)
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request(self.command, self.path, body, dict(self.headers))
        answer = connection.getresponse()
        content = answer.read()
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(name, value)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        connection.close()

    do_GET = do_POST = do_PUT = do_DELETE = pass_on

    def log_message(self, *_):
        pass


async def during(action):
    """What `action` answers, and the last parts of the paths it asks for."""
    requests.clear()
    result = await action
    return result, [request.split("/")[-1] for request in requests]


async def refused(error, action):
    try:
        result = await action
    except error as thrown:
        return thrown
    raise AssertionError(f"expected {error.__name__}, got {result}")


def equal(found, expected):
    assert found == expected, f"{found!r} is not {expected!r}"


def login(user):
    payload, data = {"role": "editor", "level": 1}, {"visits": 1}
    return sdk.create_new_session_without_request_response("public", RecipeUserId(user), payload, data)


def check(tokens, anti_csrf=False, token=None):
    return sdk.get_session_without_request_response(tokens["accessToken"], token, anti_csrf)


def refresh(tokens):
    return sdk.refresh_session_without_request_response(tokens["refreshToken"], False, tokens["antiCsrfToken"])


def tokens_of(session):
    return session.get_all_session_tokens_dangerously()


async def created_with_its_payload(user):
    made = await login(user)
    equal(made.get_user_id(), user)
    payload = made.get_access_token_payload()
    equal((payload["role"], payload["level"]), ("editor", 1))


async def verified_without_a_request(user):
    made = await login(user)
    # The first may fetch the keys.
    await check(tokens_of(made))
    seen, asked = await during(check(tokens_of(made)))
    equal(asked, [])
    equal((seen.get_user_id(), seen.get_handle()), (user, made.get_handle()))


async def refresh_brings_other_tokens(user):
    made = await login(user)
    before = tokens_of(made)
    renewed, asked = await during(refresh(before))
    equal(asked, ["refresh"])
    equal(renewed.get_handle(), made.get_handle())
    equal(renewed.get_access_token_payload()["role"], "editor")
    for name in ("accessToken", "refreshToken"):
        assert tokens_of(renewed)[name] != before[name], name


async def first_use_after_a_refresh(user):
    made = await login(user)
    await check(tokens_of(made))
    renewed = tokens_of(await refresh(tokens_of(made)))
    first, asked = await during(check(renewed))
    equal(asked, ["verify"])
    assert first.get_access_token() != renewed["accessToken"], "it brings a token without a mark"
    _, asked = await during(check(tokens_of(first)))
    equal(asked, [])


async def old_refresh_token_is_theft(user):
    made = await login(user)
    old = tokens_of(made)
    await check(tokens_of(await refresh(old)))
    theft = await refused(TokenTheftError, refresh(old))
    equal((theft.user_id, theft.session_handle), (user, made.get_handle()))


async def sessions_are_listed(user):
    equal(await sdk.get_all_session_handles_for_user(user), [])
    made = [(await login(user)).get_handle() for _ in range(2)]
    equal(sorted(await sdk.get_all_session_handles_for_user(user)), sorted(made))


async def one_is_revoked(user):
    one, other = await login(user), await login(user)
    equal(await sdk.revoke_session(one.get_handle()), True)
    equal(await sdk.revoke_session(one.get_handle()), False)
    equal(await sdk.get_all_session_handles_for_user(user), [other.get_handle()])
    await refused(UnauthorisedError, refresh(tokens_of(one)))
    await refresh(tokens_of(other))


async def all_are_revoked(user):
    made = [await login(user) for _ in range(2)]
    revoked = await sdk.revoke_all_sessions_for_user(user)
    equal(sorted(revoked), sorted(session.get_handle() for session in made))
    equal(await sdk.get_all_session_handles_for_user(user), [])
    for session in made:
        await refused(UnauthorisedError, refresh(tokens_of(session)))


async def data_are_overwritten(user):
    made = await login(user)
    equal(await made.get_session_data_from_database(), {"visits": 1})
    data = {"cart": [1, {"none": None}], "né": "世界"}
    await made.update_session_data_in_database(data)
    equal(await made.get_session_data_from_database(), data)


async def payload_is_updated(user):
    made = await login(user)
    before = made.get_access_token()
    _, asked = await during(made.merge_into_access_token_payload({"role": "admin", "level": 2}))
    equal(asked, ["regenerate"])
    assert made.get_access_token() != before
    seen, asked = await during(check(tokens_of(made)))
    equal(asked, [])
    stored = await sdk.get_session_information(made.get_handle())
    renewed = await refresh(tokens_of(made))
    for payload in (
        seen.get_access_token_payload(),
        stored.custom_claims_in_access_token_payload,
        renewed.get_access_token_payload(),
    ):
        equal((payload["role"], payload["level"]), ("admin", 2))


async def anti_csrf_token_is_needed(user):
    tokens = tokens_of(await login(user))
    assert tokens["antiCsrfToken"]
    await check(tokens, True, tokens["antiCsrfToken"])
    await refused(TryRefreshTokenError, check(tokens, True, "guess"))
    await refused(TryRefreshTokenError, check(tokens, True))
    await check(tokens)


SCENARIOS = [
    created_with_its_payload,
    verified_without_a_request,
    refresh_brings_other_tokens,
    first_use_after_a_refresh,
    old_refresh_token_is_theft,
    sessions_are_listed,
    one_is_revoked,
    all_are_revoked,
    data_are_overwritten,
    payload_is_updated,
    anti_csrf_token_is_needed,
]


async def run():
    passed = 0
    for scenario in SCENARIOS:
        try:
            await scenario(f"user-{scenario.__name__}")
            passed += 1
        except Exception:
            print(f"failed: {scenario.__name__}\n{traceback.format_exc()}", file=sys.stderr)
    equal(versions, {PROTOCOL})
    print(f"supertokens-python {importlib.metadata.version('supertokens-python')}: {passed} of {len(SCENARIOS)}")
    return passed == len(SCENARIOS)


def main():
    global port
    server = subprocess.Popen(
        [os.environ["HANDSTAMP_BIN"], "serve", "--host", "127.0.0.1", "--port", "0", "--database", "memory:"],
        env={"PATH": os.environ["PATH"], "API_KEYS": API_KEY, "REFRESH_TOKEN_ROTATION_GRACE_PERIOD": "0"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        lines = iter(server.stdout.readline, "")
        ready = next((found for line in lines if (found := re.search(r"^handstamp\b.*?http://[^\s/]+:(\d+)", line))), None)
        assert ready, "the server ended before it was ready"
        port = int(ready[1])
        proxy = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
        proxy.daemon_threads = True
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        init(
            app_info=InputAppInfo(
                app_name="tests", api_domain="http://localhost:3000", website_domain="http://localhost:3000"
            ),
            supertokens_config=SupertokensConfig(f"http://127.0.0.1:{proxy.server_port}", API_KEY),
            framework="fastapi",
            mode="asgi",
            recipe_list=[recipe.init(anti_csrf="VIA_TOKEN")],
            telemetry=False,
        )
        return asyncio.run(run())
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    sys.exit(0 if main() else 1)

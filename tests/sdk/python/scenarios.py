"""The scenarios of sdk-releases.test.mjs, and one with SDKs for Node.js. Each is for itself, with a user of its own."""

import asyncio
import json
import subprocess
import time

from application import DATA, PAYLOAD, PLAN, Client, sdk

# How many clients work at a time while keys change, and what each does with the new key before that is enough.
CLIENTS = 3
ROUNDS_AFTER = 5
# Nothing else bounds how long a key that never comes would be waited for.
ROTATION_DEADLINE = 60


def equal(found, expected):
    assert found == expected, f"{found!r} is not {expected!r}"


def same(found, made):
    equal([found["user"], found["handle"]], [made["user"], made["handle"]])
    equal([found["payload"]["role"], found["payload"]["level"]], [PAYLOAD["role"], PAYLOAD["level"]])


def handles(*sessions):
    return sorted(made["handle"] for _, made in sessions)


async def past(moment):
    """Returns once the clock is past `moment`, in seconds since 1970: a token's own end."""
    while (left := moment - time.time()) >= 0:
        await asyncio.sleep(left + 0.001)


async def created_with_its_payload(app, user):
    client, made = await app.login(user)
    equal(made["user"], user)
    same(made, made)
    assert {"sAccessToken", "sRefreshToken"} <= client.cookies.keys()


async def verified_without_a_request(app, user):
    client, made = await app.login(user)
    # The first may fetch the keys.
    await client.ok("GET", "/page")
    seen, asked = await app.core.during(client.ok("GET", "/page"))
    equal(asked, [])
    same(seen, made)


async def verified_with_a_request(app, user):
    client, made = await app.login(user)
    await client.ok("GET", "/page")
    seen, asked = await app.core.during(client.ok("GET", "/page"))
    equal(asked, ["verify"])
    same(seen, made)
    equal(await sdk.revoke_session(made["handle"]), True)
    await client.refused("UnauthorisedError", "GET", "/page")


async def refresh_brings_other_tokens(app, user):
    client, made = await app.login(user)
    before = client.copy()
    renewed, asked = await app.core.during(client.ok("POST", "/renew"))
    equal(asked, ["refresh"])
    same(renewed, made)
    for name in ("sAccessToken", "sRefreshToken"):
        assert client.cookies[name] != before.cookies[name], name


async def first_use_after_a_refresh(app, user):
    client, made = await app.login(user)
    await client.ok("GET", "/page")
    await client.ok("POST", "/renew")
    renewed = client.cookies["sAccessToken"]
    _, asked = await app.core.during(client.ok("GET", "/page"))
    equal(asked, ["verify"])
    assert client.cookies["sAccessToken"] != renewed, "it brings a token without a mark"
    seen, asked = await app.core.during(client.ok("GET", "/page"))
    equal(asked, [])
    same(seen, made)


async def old_refresh_token_is_theft(app, user):
    client, made = await app.login(user)
    thief = client.copy()
    await client.ok("POST", "/renew")
    await client.ok("GET", "/page")
    theft = await thief.refused("TokenTheftError", "POST", "/renew")
    equal([theft["user_id"], theft["session_handle"]], [user, made["handle"]])


async def sessions_are_listed(app, user):
    equal(await app.sdk.list(user), [])
    made = [await app.login(user) for _ in range(2)]
    equal(sorted(await app.sdk.list(user)), handles(*made))


async def one_is_revoked(app, user):
    one, other = await app.login(user), await app.login(user)
    equal(await sdk.revoke_session(one[1]["handle"]), True)
    equal(await sdk.revoke_session(one[1]["handle"]), False)
    equal(await app.sdk.list(user), handles(other))
    await one[0].refused("UnauthorisedError", "POST", "/renew")
    await other[0].ok("POST", "/renew")


async def all_are_revoked(app, user):
    made = [await app.login(user) for _ in range(2)]
    other, _ = await app.login(f"{user}-other")
    equal(sorted(await app.sdk.revoke_all(user)), handles(*made))
    equal(await app.sdk.list(user), [])
    for client, _ in made:
        await client.refused("UnauthorisedError", "POST", "/renew")
    await other.ok("POST", "/renew")


async def in_two_tenants(app, user, tenant):
    equal(await app.sdk.put_tenant(tenant), True)
    return [await app.login(user), await app.login(user)], await app.login(user, tenant)


async def tenants_are_listed_and_revoked_together(app, user):
    here, there = await in_two_tenants(app, user, "both")
    client, made = there
    equal([here[0][1]["tenant"], made["tenant"]], ["public", "both"])
    for request in [("GET", "/page"), ("POST", "/renew"), ("GET", "/page")]:
        equal((await client.ok(*request))["tenant"], "both")
    equal(sorted(await app.sdk.list(user)), handles(*here, there))
    equal(sorted(await app.sdk.list(user, "public")), handles(*here))
    equal(await app.sdk.list(user, "both"), handles(there))
    equal(sorted(await app.sdk.revoke_all(user)), handles(*here, there))
    equal(await app.sdk.list(user), [])


async def revoked_in_one_tenant(app, user):
    here, there = await in_two_tenants(app, user, "apart")
    equal(await app.sdk.revoke_all(user, "apart"), handles(there))
    await there[0].refused("UnauthorisedError", "POST", "/renew")
    equal(sorted(await app.sdk.list(user)), handles(*here))
    back = await app.login(user, "apart")
    equal(sorted(await app.sdk.revoke_all(user, "public")), handles(*here))
    equal(await app.sdk.list(user), handles(back))


async def data_are_overwritten(app, user):
    client, _ = await app.login(user)
    equal(await client.ok("GET", "/data"), DATA)
    data = {"cart": [1, {"none": None}], "né": "世界"}
    await client.ok("POST", "/data", json=data)
    equal(await client.ok("GET", "/data"), data)


async def regenerated_with_another_payload(app, user):
    client, made = await app.login(user)
    before = client.cookies["sAccessToken"]
    change = {"role": "admin", "level": 2}
    _, asked = await app.core.during(client.ok("POST", "/payload", json=change))
    equal(asked, ["regenerate"])
    assert client.cookies["sAccessToken"] != before
    seen, asked = await app.core.during(client.ok("GET", "/page"))
    equal(asked, [])
    stored = await app.sdk.payload_of(made["handle"])
    renewed = await client.ok("POST", "/renew")
    for payload in (seen["payload"], stored, renewed["payload"]):
        equal([payload["role"], payload["level"]], ["admin", 2])


async def payload_is_merged_into(app, user):
    client, made = await app.login(user)
    changed = await client.ok("POST", "/payload", json={"level": None, "added": {"deep": [None]}})
    seen = await client.ok("GET", "/page")
    for payload in (changed["payload"], seen["payload"]):
        equal([payload["role"], payload["added"], "level" in payload], ["editor", {"deep": [None]}, False])
    # By the handle: what is stored changes at once, the token with the next refresh.
    equal(await sdk.merge_into_access_token_payload(made["handle"], {"role": "owner"}), True)
    equal((await app.sdk.payload_of(made["handle"]))["role"], "owner")
    equal((await client.ok("GET", "/page"))["payload"]["role"], "editor")
    payload = (await client.ok("POST", "/renew"))["payload"]
    equal([payload["role"], payload["added"], "level" in payload], ["owner", {"deep": [None]}, False])


async def claims_are_asked_for(app, user):
    client, made = await app.login(user)
    # What is not there is fetched, and is not what is asked for.
    await client.refused("InvalidClaimsError", "GET", "/page?claim=free")
    await client.ok("GET", "/page?claim=paid")
    equal((await sdk.get_claim_value(made["handle"], PLAN)).value, "paid")
    equal(await sdk.set_claim_value(made["handle"], PLAN, "free"), True)
    await client.ok("POST", "/renew")
    await client.ok("GET", "/page?claim=free")
    await client.ok("POST", "/claim")
    await client.ok("GET", "/page?claim=paid")


async def jwt_is_verified_with_the_keys(app, user):
    client, _ = await app.login(user)
    signed = await app.jwt({"a": 1})
    equal(signed.payload["a"], 1)
    access = client.access_token()
    keys = await app.keys()
    # Access tokens name their key since they are standard JWTs.
    for token in [signed, *([access] if "kid" in access.header else [])]:
        key = keys[token.header["kid"]]
        equal(key["alg"], token.header["alg"])
        assert token.signed_by(key)


async def anti_csrf_token_is_needed(app, user):
    client, _ = await app.login(user)
    await client.ok("POST", "/guarded")
    await client.refused("TryRefreshTokenError", "POST", "/guarded", headers={"anti-csrf": "guess"})
    stranger = client.copy()
    stranger.anti_csrf = None
    await stranger.refused("TryRefreshTokenError", "POST", "/guarded")
    await stranger.ok("GET", "/page")


async def custom_header_is_needed(app, user):
    client, _ = await app.login(user)
    headers = {"rid": "session"}
    await client.refused("TryRefreshTokenError", "POST", "/guarded")
    for path in ("/guarded", "/renew", "/guarded"):
        await client.ok("POST", path, headers=headers)
    await client.ok("GET", "/page")
    equal(client.anti_csrf, None)


async def nothing_is_needed_without_a_guard(app, user):
    client, made = await app.login(user)
    for path in ("/guarded", "/renew", "/guarded"):
        same(await client.ok("POST", path), made)
    equal(client.anti_csrf, None)


async def tokens_travel_as_the_client_asks(app, user):
    cookies, headers = await app.login(user, transfer="cookie"), await app.login(user, transfer="header")
    equal([sorted(client.tokens) for client, _ in (cookies, headers)], [[], ["st-access-token", "st-refresh-token"]])
    assert {"sAccessToken", "sRefreshToken"} <= cookies[0].cookies.keys()
    assert not {"sAccessToken", "sRefreshToken"} & headers[0].cookies.keys()
    for client, made in (cookies, headers):
        thief = client.copy()
        same(await client.ok("GET", "/page"), made)
        await client.ok("POST", "/renew")
        _, asked = await app.core.during(client.ok("GET", "/page"))
        equal(asked, ["verify"])
        seen, asked = await app.core.during(client.ok("POST", "/guarded"))
        equal(asked, [])
        same(seen, made)
        theft = await thief.refused("TokenTheftError", "POST", "/renew")
        equal(theft["session_handle"], made["handle"])


async def access_token_ends(app, user):
    client, made = await app.login(user)
    before = client.access_token().expiry
    await past(before)
    await client.refused("TryRefreshTokenError", "GET", "/page")
    same(await client.ok("POST", "/renew"), made)
    assert client.access_token().expiry > before


async def session_ends(app, user):
    client, _ = await app.login(user)
    # A cookie tells its end in whole seconds, rounded down.
    await past(client.ends["sRefreshToken"] + 1)
    equal(await app.sdk.list(user), [])
    await client.copy().refused("TryRefreshTokenError", "GET", "/page")
    await client.refused("UnauthorisedError", "POST", "/renew")


async def keys_change_under_load(app, user):
    before = app.rotation.before
    # Tokens, and the keys that the SDK knows, are from before the change.
    veterans = []
    for _ in range(CLIENTS):
        client, _ = await app.login(user)
        await client.ok("GET", "/page")
        assert client.access_token().signed_by(before)
        veterans.append(client)
    app.core.target = second = app.rotation.change()
    deadline = time.time() + ROTATION_DEADLINE

    async def work(veteran):
        after = 0
        while after < ROUNDS_AFTER:
            assert time.time() < deadline, "no new key came"
            await veteran.ok("GET", "/page")
            client, made = await app.login(user)
            same(await client.ok("GET", "/page"), made)
            after += not client.access_token().signed_by(before)
            await client.ok("POST", "/renew")
            same(await client.ok("POST", "/guarded"), made)
        # Their tokens are as good as ever.
        assert veteran.access_token().signed_by(before)
        for request in [("GET", "/page"), ("POST", "/renew"), ("GET", "/page")]:
            await veteran.ok(*request)
        assert not veteran.access_token().signed_by(before)

    await asyncio.gather(*map(work, veterans))
    assert len(app.rotation.keys(second)) > 1


def node(app, release, *action, tokens=None):
    """What came of a step with a release of supertokens-node."""
    step = subprocess.run(
        ["node", "../support/step.mjs", release, str(app.core.target), *action],
        input=json.dumps(tokens),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(step.stdout)


async def session_goes_to_other_sdks_and_back(app, user):
    for release in ("1.0.1", "24.0.3"):
        # Theirs is refreshed here, then there, then here, and revoked here.
        theirs = node(app, release, "create", f"{user}-{release}")
        made = {"user": f"{user}-{release}", "handle": theirs["handle"]}
        client = Client(app.app)
        for _ in range(2):
            client.hold(theirs)
            for path in ("/renew", "/guarded", "/guarded"):
                same(await client.ok("POST", path), made)
            theirs = node(app, release, "go-on", tokens=client.held())
            equal([theirs["user"], theirs["handle"], theirs["role"]], [made["user"], made["handle"], PAYLOAD["role"]])
        equal(await sdk.revoke_session(made["handle"]), True)
        equal(node(app, release, "go-on", tokens=theirs), {"error": "UNAUTHORISED"})

        # Ours is revoked there; a token from before is theft there, too.
        client, made = await app.login(user)
        old = client.held()
        client.hold(node(app, release, "go-on", tokens=old))
        same(await client.ok("POST", "/renew"), made)
        same(await client.ok("POST", "/guarded"), made)
        equal(node(app, release, "go-on", tokens=old), {"error": "TOKEN_THEFT_DETECTED"})
        equal(node(app, release, "revoke", made["handle"]), {"revoked": True})
        await client.refused("UnauthorisedError", "POST", "/renew")

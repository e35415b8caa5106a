"""An application on the installed release of supertokens-python, behind FastAPI, and clients of it."""

import base64
import importlib.metadata
import json
from email.utils import parsedate_to_datetime
from urllib.parse import quote, unquote

import httpx
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from jwt.algorithms import RSAAlgorithm

from supertokens_python import InputAppInfo, SupertokensConfig, init
from supertokens_python.exceptions import SuperTokensError
from supertokens_python.framework.fastapi import get_middleware
from supertokens_python.recipe import jwt, session
from supertokens_python.recipe.jwt import asyncio as jwts
from supertokens_python.recipe.session import asyncio as sdk
from supertokens_python.recipe.session.claims import PrimitiveClaim

RELEASE = importlib.metadata.version("supertokens-python")
PAYLOAD = {"role": "editor", "level": 1}
DATA = {"visits": 1}
PLAN = PrimitiveClaim("plan", lambda *_: "paid")


class Old:
    """0.12: sessions have no tenants, and the server says whether each check asks it."""

    protocol = "2.20"
    missing = ["tenants", "revocation in one tenant"]

    def __init__(self, check_database=False):
        self.check_database = check_database

    def create(self, request, user, _tenant):
        return sdk.create_new_session(request, user, PAYLOAD, DATA)

    def check(self, request, anti_csrf, claim):
        return sdk.get_session(request, anti_csrf_check=anti_csrf, override_global_claim_validators=validators(claim))

    def about(self, made):
        return {"user": made.get_user_id(), "handle": made.get_handle(), "payload": made.get_access_token_payload()}

    async def payload_of(self, handle):
        return (await sdk.get_session_information(handle)).access_token_payload

    def data(self, made):
        return made.get_session_data()

    def set_data(self, made, data):
        return made.update_session_data(data)

    def list(self, user):
        return sdk.get_all_session_handles_for_user(user)

    def revoke_all(self, user):
        return sdk.revoke_all_sessions_for_user(user)


class New(Old):
    """0.31: tenants, and names that say where data are."""

    protocol = "5.4"
    missing = []

    def create(self, request, user, tenant):
        from supertokens_python.types import RecipeUserId

        return sdk.create_new_session(request, tenant, RecipeUserId(user), PAYLOAD, DATA)

    def check(self, request, anti_csrf, claim):
        return sdk.get_session(
            request,
            anti_csrf_check=anti_csrf,
            check_database=self.check_database,
            override_global_claim_validators=validators(claim),
        )

    def about(self, made):
        return {**super().about(made), "tenant": made.get_tenant_id()}

    async def payload_of(self, handle):
        return (await sdk.get_session_information(handle)).custom_claims_in_access_token_payload

    def data(self, made):
        return made.get_session_data_from_database()

    def set_data(self, made, data):
        return made.update_session_data_in_database(data)

    def list(self, user, tenant=None):
        return sdk.get_all_session_handles_for_user(user, True, tenant)

    def revoke_all(self, user, tenant=None):
        return sdk.revoke_all_sessions_for_user(user, True, tenant)

    async def put_tenant(self, tenant):
        from supertokens_python.recipe.multitenancy import asyncio as multitenancy

        return (await multitenancy.create_or_update_tenant(tenant, None)).created_new


def validators(claim):
    if claim is None:
        return None
    return lambda usual, *_: [*usual, PLAN.validators.has_value(claim)]


GENERATION = New if RELEASE.startswith("0.31.") else Old


class Application:
    """The SDK is set up once in a process, and so is this. Without `transfer`, it is for clients to say."""

    def __init__(self, core, api_key=None, anti_csrf="VIA_TOKEN", transfer=lambda *_: "cookie", check_database=False):
        self.core = core
        self.sdk = GENERATION(check_database)
        init(
            app_info=InputAppInfo(
                app_name="tests", api_domain="http://localhost:3000", website_domain="http://localhost:3000"
            ),
            supertokens_config=SupertokensConfig(core.url, api_key),
            framework="fastapi",
            mode="asgi",
            recipe_list=[session.init(anti_csrf=anti_csrf, get_token_transfer_method=transfer), jwt.init()],
            telemetry=False,
        )
        self.app = FastAPI()
        self.app.add_middleware(get_middleware())
        for method, path, handler in [
            ("POST", "/login", self.create),
            # The SDK's own path for this answers nothing.
            ("POST", "/renew", self.renew),
            ("GET", "/page", self.checked(False, self.about)),
            ("POST", "/guarded", self.checked(True, self.about)),
            ("GET", "/data", self.checked(False, lambda made, _: self.sdk.data(made))),
            ("POST", "/data", self.checked(True, self.set_data)),
            ("POST", "/payload", self.checked(True, self.merge)),
            ("POST", "/claim", self.checked(True, self.fetch_claim)),
        ]:
            self.route(method, path, handler)

    def route(self, method, path, handler):
        async def answer(request: Request):
            try:
                return JSONResponse(await handler(request))
            except SuperTokensError as error:
                told = {name: getattr(error, name, None) for name in ("user_id", "session_handle")}
                return JSONResponse({"error": type(error).__name__, **told}, 440)

        self.app.add_api_route(path, answer, methods=[method])

    async def create(self, request):
        asked = request.query_params
        return self.sdk.about(await self.sdk.create(request, asked["user"], asked.get("tenant", "public")))

    async def renew(self, request):
        return self.sdk.about(await sdk.refresh_session(request))

    def checked(self, anti_csrf, handler):
        async def handle(request):
            return await handler(await self.sdk.check(request, anti_csrf, request.query_params.get("claim")), request)

        return handle

    async def about(self, made, _):
        return self.sdk.about(made)

    async def set_data(self, made, request):
        await self.sdk.set_data(made, await request.json())
        return {}

    async def merge(self, made, request):
        await made.merge_into_access_token_payload(await request.json())
        return self.sdk.about(made)

    async def fetch_claim(self, made, _):
        await made.fetch_and_set_claim(PLAN)
        return self.sdk.about(made)

    async def login(self, user, tenant=None, transfer=None):
        """Signs in with a client of its own; answers it and the session."""
        client = Client(self.app, transfer)
        tenant = "" if tenant is None else f"&tenant={tenant}"
        return client, await client.ok("POST", f"/login?user={user}{tenant}")

    async def jwt(self, payload):
        return Token((await jwts.create_jwt(payload, 60)).jwt)

    async def keys(self):
        """The keys that are listed, by their ids."""
        listed = (await jwts.get_jwks()).keys
        return {key.kid: {"kty": key.kty, "n": key.n, "e": key.e, "alg": key.alg} for key in listed}


class Client:
    """A browser as far as sessions are concerned: cookies, and tokens in headers."""

    def __init__(self, app, transfer=None):
        self.app = app
        self.transfer = transfer
        self.cookies = {}
        self.ends = {}
        self.tokens = {}
        self.anti_csrf = None

    def hold(self, tokens):
        """Takes over what another SDK gave."""
        self.cookies["sAccessToken"] = quote(tokens["accessToken"], safe="")
        self.cookies["sRefreshToken"] = quote(tokens["refreshToken"], safe="")
        self.anti_csrf = tokens["antiCsrfToken"]

    def held(self):
        """What another SDK can take over."""
        return {
            "accessToken": unquote(self.cookies["sAccessToken"]),
            "refreshToken": unquote(self.cookies["sRefreshToken"]),
            "antiCsrfToken": self.anti_csrf,
        }

    def copy(self):
        """A second one with the same tokens, as a thief has."""
        copy = Client(self.app, self.transfer)
        copy.cookies, copy.tokens, copy.anti_csrf = dict(self.cookies), dict(self.tokens), self.anti_csrf
        return copy

    async def send(self, method, path, json=None, headers=None):
        headers = dict(headers or {})
        if self.cookies:
            headers["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if self.transfer:
            headers["st-auth-mode"] = self.transfer
        if token := self.tokens.get("st-refresh-token" if path == "/renew" else "st-access-token"):
            headers["authorization"] = f"Bearer {token}"
        if self.anti_csrf:
            headers.setdefault("anti-csrf", self.anti_csrf)
        transport = httpx.ASGITransport(app=self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost:3000") as client:
            answer = await client.request(method, path, json=json, headers=headers)
        for cookie in answer.headers.get_list("set-cookie"):
            self.keep(cookie)
        for name in ("st-access-token", "st-refresh-token"):
            if name in answer.headers:
                self.tokens[name] = answer.headers[name]
        self.anti_csrf = answer.headers.get("anti-csrf", self.anti_csrf)
        return answer

    def keep(self, cookie):
        pair, *attributes = cookie.split("; ")
        name, value = pair.split("=", 1)
        value = value.strip('"')
        if not value:
            self.cookies.pop(name, None)
            return
        self.cookies[name] = value
        for attribute in attributes:
            if attribute.lower().startswith("expires="):
                self.ends[name] = parsedate_to_datetime(attribute[8:]).timestamp()

    async def ok(self, *request, **more):
        answer = await self.send(*request, **more)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def refused(self, error, *request, **more):
        answer = await self.send(*request, **more)
        assert answer.status_code == 440 and answer.json()["error"] == error, answer.text
        return answer.json()

    def access_token(self):
        return Token(self.cookies["sAccessToken"])


class Token:
    """A JWT, or what older protocols have for one, read as anybody can who holds it."""

    def __init__(self, text):
        self.text = unquote(text)
        header, payload, signature = self.text.split(".")
        self.signed = f"{header}.{payload}".encode()
        self.signature = decode(signature)
        self.header, self.payload = json.loads(decode(header)), json.loads(decode(payload))
        # Seconds; the older formats have milliseconds.
        self.expiry = self.payload["exp"] if "exp" in self.payload else self.payload["expiryTime"] / 1000

    def signed_by(self, jwk):
        try:
            RSAAlgorithm.from_jwk(jwk).verify(self.signature, self.signed, PKCS1v15(), SHA256())
        except InvalidSignature:
            return False
        return True


def decode(part):
    """Both alphabets of Base64 are read, padded or not."""
    part = part.rstrip("=").replace("+", "-").replace("/", "_")
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))

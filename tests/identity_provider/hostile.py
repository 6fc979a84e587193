"""A provider that does what no real one will: each of its answers can be made a lie."""

import base64
import hashlib
import hmac
import json
import time

from aiohttp import web
from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, SECRET = "hub", "un secret de client"
SUBJECT = "0f7c5a1e-agent"
TOKEN = "jeton-d-acces"


def part(said):
    """Write a part of a token."""
    return base64.urlsafe_b64encode(json.dumps(said).encode()).decode().rstrip("=")


class Hostile:
    """A provider on a loopback port; it is honest until told otherwise."""

    def __init__(self):
        self.key, self.other = (RSAKey.generate_key(2048, {"kid": kid}) for kid in ("ours", "ours"))
        self.asked = []
        self.honest()

    def honest(self, **said):
        """Forget every lie; `said` are attributes that are to be otherwise."""
        self.nonce = ""
        self.signing = self.key
        self.shown = [self.key]
        self.claims, self.document, self.info = {}, {}, {}
        self.forge = None
        self.unsigned = False
        self.status = 200
        for name, value in said.items():
            setattr(self, name, value)

    async def start(self):
        """Listen on a free port."""
        app = web.Application()
        app.router.add_get("/.well-known/openid-configuration", self.discover)
        app.router.add_get("/keys", self.keys)
        app.router.add_post("/token", self.token)
        app.router.add_get("/userinfo", self.userinfo)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.issuer = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self):
        """Listen no more."""
        await self._runner.cleanup()

    async def discover(self, _request):
        """Say where it does what."""
        places = {"authorization_endpoint": "/authorize", "token_endpoint": "/token", "jwks_uri": "/keys"}
        places |= {"userinfo_endpoint": "/userinfo", "end_session_endpoint": "/leave"}
        said = {"issuer": self.issuer, **{name: self.issuer + path for name, path in places.items()}}
        said["token_endpoint_auth_methods_supported"] = ["client_secret_post"]
        return web.json_response({**said, **self.document}, status=self.status, headers={"Location": "/keys"})

    async def keys(self, _request):
        """Show its keys."""
        return web.json_response({"keys": [key.as_dict(private=False) for key in self.shown]})

    async def token(self, request):
        """Give tokens for any code."""
        self.asked.append(dict(await request.post()))
        return web.json_response({"id_token": self.id_token(), "access_token": TOKEN, "token_type": "Bearer"})

    async def userinfo(self, request):
        """Say who it is about, signed unless told otherwise."""
        assert request.headers["authorization"] == f"Bearer {TOKEN}"
        said = {"iss": self.issuer, "aud": CLIENT, "sub": SUBJECT, "given_name": "Ondine", "siret": "1", **self.info}
        if self.unsigned:
            return web.json_response(said)
        signed = jwt.encode({"alg": "RS256", "kid": self.signing.kid}, said, self.signing)
        return web.Response(text=signed, content_type="application/jwt")

    def id_token(self):
        """Write an id_token, or forge one."""
        now = int(time.time())
        digest = hashlib.sha256(TOKEN.encode()).digest()[:16]
        claims = {
            "iss": self.issuer,
            "aud": CLIENT,
            "sub": SUBJECT,
            "iat": now,
            "exp": now + 60,
            "nonce": self.nonce,
            "amr": ["pwd", "mfa"],
            "at_hash": base64.urlsafe_b64encode(digest).decode().rstrip("="),
        }
        claims = {name: value for name, value in {**claims, **self.claims}.items() if value is not None}
        if self.forge is not None:
            return self.forge(self, claims)
        return jwt.encode({"alg": "RS256", "kid": self.signing.kid}, claims, self.signing)


def by_nobody(_hostile, claims):
    """Write a token that nobody signed."""
    return f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(claims)}."


def by_the_public_key(hostile, claims):
    """Sign with the public key as though it were a secret that both share."""
    said = f"{part({'alg': 'HS256', 'kid': 'ours'})}.{part(claims)}"
    signature = hmac.digest(hostile.key.as_pem(private=False), said.encode(), "sha256")
    return f"{said}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


def by_the_clients_secret(_hostile, claims):
    """Sign with the client's secret, which is not what was agreed on."""
    said = f"{part({'alg': 'HS256', 'kid': 'ours'})}.{part(claims)}"
    signature = hmac.digest(SECRET.encode(), said.encode(), "sha256")
    return f"{said}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


def altered(hostile, claims):
    """Change what was signed."""
    header, _, signature = jwt.encode({"alg": "RS256", "kid": "ours"}, claims, hostile.key).split(".")
    return f"{header}.{part({**claims, 'sub': 'un-autre'})}.{signature}"


def by_a_key_of_its_own(hostile, claims):
    """Sign with another key, which the token itself brings."""
    header = {"alg": "RS256", "kid": "ours", "jwk": hostile.other.as_dict(private=False)}
    return jwt.encode(header, claims, hostile.other)


def by_another_key(hostile, claims):
    """Sign with another key, under the name of the one that is shown."""
    return jwt.encode({"alg": "RS256", "kid": "ours"}, claims, hostile.other)


def garbage(_hostile, _claims):
    """Write what is no token."""
    return "eyJ.." + "[" * 3000

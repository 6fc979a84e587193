"""A city's authorization server: authlib's own, with client credentials and RFC 9068 tokens, on a loopback port."""

import json

from aiohttp import web
from authlib.oauth2.rfc6749 import AuthorizationServer, ClientMixin, OAuth2Request
from authlib.oauth2.rfc6749.grants import ClientCredentialsGrant
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from authlib.oauth2.rfc9068 import JWTBearerTokenGenerator
from joserfc.jwk import KeySet, RSAKey

AUDIENCE = "https://hub.ville.example"
SECRET = "un secret de client"


class Client(ClientMixin):
    """A client that knows its secret and may have any scope."""

    def __init__(self, name):
        self.name = name

    def get_client_id(self):
        return self.name

    def get_allowed_scope(self, scope):
        return scope or ""

    def check_client_secret(self, secret):
        return secret == SECRET

    def check_endpoint_auth_method(self, method, _endpoint):
        return method == "client_secret_basic"

    def check_grant_type(self, grant_type):
        return grant_type == "client_credentials"


class Generator(JWTBearerTokenGenerator):
    """Signs with the server's first key, for our audience."""

    def __init__(self, server):
        super().__init__(server.issuer, expires_generator=lambda *_: 300)
        self._server = server

    def get_jwks(self):
        return KeySet([self._server.keys[0]])

    def get_audiences(self, *_):
        return AUDIENCE


class Authorization(AuthorizationServer):
    """The server: its token endpoint, and where it shows its keys, or what it shows instead."""

    def __init__(self):
        super().__init__()
        self.keys = [new_key("premiere")]
        self.asked, self.status, self.instead = 0, 200, None

    async def start(self):
        app = web.Application()
        app.add_routes([web.post("/token", self.token), web.get("/jwks", self.show), web.get("/elsewhere", self.show)])
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        self.issuer = f"{self.url}/"
        self.register_grant(ClientCredentialsGrant)
        self.register_token_generator("default", Generator(self))

    async def stop(self):
        await self._runner.cleanup()

    async def show(self, _request):
        self.asked += 1
        if self.instead is not None:
            return web.Response(body=self.instead, status=self.status, headers={"Location": f"{self.url}/elsewhere"})
        return web.json_response({"keys": [key.as_dict(private=False) for key in self.keys]}, status=self.status)

    async def token(self, request):
        asked = OAuth2Request(request.method, "https://autorisation.ville.example/token", headers=request.headers)
        asked.payload = BasicOAuth2Payload(dict(await request.post()))
        return self.create_token_response(asked)

    def create_oauth2_request(self, request):
        return request

    def handle_response(self, status, body, headers):
        return web.Response(text=json.dumps(body), status=status, headers=dict(headers))

    def query_client(self, name):
        return Client(name)

    def save_token(self, _token, _request):
        """Keep nothing: a token proves itself."""

    def send_signal(self, *_args, **_kwargs):
        """Tell nobody."""


def new_key(name):
    """Make a key with a name."""
    return RSAKey.generate_key(2048, {"kid": name, "use": "sig"})

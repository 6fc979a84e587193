"""Speaks to the identity provider: its discovery document, its keys, and the exchange of a code for tokens.

Addresses come from its own document and must be on its own hosts; no redirect is followed, no proxy or cookie is taken
from anywhere, nothing is sent twice, and nothing is read beyond a size or a time.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import aiohttp
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.discovery import get_well_known_url
from joserfc.jwk import KeySet
from yarl import URL

from hub.errors import ConfigurationError
from hub.identity_settings import IdentitySettings
from monitoring.console.identity_errors import SignInError
from monitoring.console.identity_kept import Kept
from monitoring.console.identity_ticket import Ticket
from monitoring.console.identity_tokens import read_keys, read_object

WITHIN: Final = aiohttp.ClientTimeout(total=8, connect=4)
"""Seconds: a code of ProConnect's lives thirty."""

LARGEST: Final = 200_000
"""Bytes of an answer."""

RETURN: Final = "/console/connexion/retour"
FAREWELL: Final = "/console/connexion/sortie"


@dataclass(frozen=True, slots=True)
class Metadata:
    """Where a provider does what, as its document says."""

    authorization: URL
    token: URL
    jwks: URL
    userinfo: URL | None
    end_session: URL | None
    takes_posted_secret: bool
    names_itself: bool
    """Whether its answers say whose they are (RFC 9207)."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a code was exchanged for."""

    id_token: str
    access_token: str


class Provider:
    """One provider, as one process of the hub knows it."""

    def __init__(self, settings: IdentitySettings, clock: Callable[[], float] = time.monotonic) -> None:
        """Know a provider; raises ConfigurationError when the client's secret cannot be read."""
        self.settings = settings
        self._secret()
        self._tls = ssl.create_default_context(cafile=settings.ca_file)
        self._metadata = Kept(self._discover, clock)
        self._keys = Kept(self._show_keys, clock)

    async def metadata(self) -> Metadata:
        """Give what the provider's document says, asked for once an hour."""
        return await self._metadata.get()

    async def keys(self, *, afresh: bool = False) -> KeySet:
        """Give the provider's keys; `afresh`: a token names one that is not among them."""
        return await self._keys.get(afresh=afresh)

    async def way_in(self, ticket: Ticket) -> str:
        """Write where a browser is sent for its person to say who they are."""
        said = self.settings
        asked = {
            "response_type": "code",
            "client_id": said.client_id,
            "redirect_uri": said.at(RETURN),
            "scope": " ".join(said.scopes),
            "state": ticket.state,
            "nonce": ticket.nonce,
        }
        if said.pkce:
            asked |= {"code_challenge": create_s256_code_challenge(ticket.verifier), "code_challenge_method": "S256"}
        if said.acr_values:
            asked["acr_values"] = " ".join(said.acr_values)
        if said.required_amr:
            asked["claims"] = '{"id_token":{"amr":{"essential":true}}}'
        return str((await self.metadata()).authorization.update_query(asked))

    async def way_out(self, hint: str, state: str) -> str | None:
        """Write where a browser is sent for its person to leave the provider too; None when it has no such place."""
        leave = (await self.metadata()).end_session
        back = self.settings.at(FAREWELL)
        asked = {"id_token_hint": hint, "state": state, "post_logout_redirect_uri": back}
        return None if leave is None else str(leave.update_query(asked))

    async def exchange(self, code: str, ticket: Ticket) -> Tokens:
        """Exchange a code for tokens; one that is refused is never sent again."""
        metadata, said, secret = await self.metadata(), self.settings, self._secret()
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": said.at(RETURN)}
        headers = {}
        if said.pkce:
            form["code_verifier"] = ticket.verifier
        if metadata.takes_posted_secret:
            form |= {"client_id": said.client_id, "client_secret": secret}
        else:
            headers["Authorization"] = aiohttp.BasicAuth(quote(said.client_id, ""), quote(secret, "")).encode()
        _, body = await self._speak("POST", metadata.token, "code_refused", headers, form)
        answer = read_object(body, "tokens_unreadable")
        id_token, access_token = answer.get("id_token"), answer.get("access_token")
        if not isinstance(id_token, str) or not isinstance(access_token, str):
            raise SignInError("tokens_missing")
        return Tokens(id_token, access_token)

    async def userinfo(self, access_token: str) -> tuple[str, bytes]:
        """Ask what the provider knows of whom the token is about: gives the kind of its answer, and the answer."""
        place = (await self.metadata()).userinfo
        if place is None or not (access_token.isascii() and access_token.isprintable()):
            raise SignInError("userinfo_refused")
        return await self._speak("GET", place, "userinfo_refused", {"Authorization": f"Bearer {access_token}"})

    async def _show_keys(self) -> KeySet:
        _, body = await self._speak("GET", (await self.metadata()).jwks, "keys_refused")
        return read_keys(body)

    async def _discover(self) -> Metadata:
        document = get_well_known_url(self.settings.issuer, external=True)
        _, body = await self._speak("GET", URL(document), "discovery_refused")
        said = read_object(body, "discovery_unreadable")
        if said.get("issuer") != self.settings.issuer:
            raise SignInError("discovery_issuer")
        ways = said.get("token_endpoint_auth_methods_supported")
        return Metadata(
            authorization=self._place(said, "authorization_endpoint"),
            token=self._place(said, "token_endpoint"),
            jwks=self._place(said, "jwks_uri"),
            userinfo=self._place(said, "userinfo_endpoint") if said.get("userinfo_endpoint") else None,
            end_session=self._place(said, "end_session_endpoint") if said.get("end_session_endpoint") else None,
            takes_posted_secret=isinstance(ways, list) and "client_secret_post" in ways,
            names_itself=said.get("authorization_response_iss_parameter_supported") is True,
        )

    def _place(self, said: Mapping[str, Any], name: str) -> URL:
        """Read an address of the provider's document, which must be one of its own; raises SignInError."""
        try:
            place = URL(said[name])
        except (KeyError, ValueError, TypeError):
            raise SignInError("discovery_unreadable") from None
        if not self.settings.is_near(place):
            raise SignInError("discovery_elsewhere")
        return place

    def _secret(self) -> str:
        file = self.settings.client_secret_file
        try:
            return file.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError):
            raise ConfigurationError(file, "the secret by which the identity provider knows this hub") from None

    async def _speak(
        self,
        method: str,
        url: URL,
        refused: str,
        headers: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
    ) -> tuple[str, bytes]:
        """Ask once; raises SignInError: `unreachable`, or `refused` for an answer that is not a plain 200."""
        said = {"Accept-Encoding": "identity", "User-Agent": "city-hub", **(headers or {})}
        try:
            async with (
                aiohttp.ClientSession(
                    timeout=WITHIN, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
                ) as ours,
                ours.request(method, url, headers=said, data=form, allow_redirects=False, ssl=self._tls) as answer,
            ):
                body = await _at_most(answer, LARGEST)
        except (aiohttp.ClientError, TimeoutError, OSError):
            raise SignInError("unreachable") from None
        if answer.status >= 500:
            raise SignInError("unreachable")
        if answer.status != 200:
            raise SignInError(refused)
        return answer.content_type, body


async def _at_most(answer: aiohttp.ClientResponse, largest: int) -> bytes:
    """Read an answer; raises SignInError when it goes on and on."""
    body = bytearray()
    async for piece in answer.content.iter_any():
        body += piece
        if len(body) > largest:
            raise SignInError("answer_too_large")
    return bytes(body)

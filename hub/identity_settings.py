"""How people are known by an identity provider that speaks OpenID Connect: ProConnect, Keycloak, or another."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import AfterValidator, Field, FilePath, model_validator
from yarl import URL

from hub.model import Frozen

Algorithm: TypeAlias = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"]
"""How a token may be signed: never without a key, and never with the client's own secret."""


def is_loopback(host: str | None) -> bool:
    """Say whether a host is this machine, by its name or its address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def is_guarded(url: URL) -> bool:
    """Say whether an address is one of https with no credentials or fragment in it, or one of this machine."""
    spoken = url.scheme == "https" or (url.scheme == "http" and is_loopback(url.host))
    return spoken and url.host is not None and url.user is None and not url.raw_fragment


def _guarded(said: str) -> str:
    try:
        url = URL(said)
    except ValueError:
        raise ValueError("expected an address") from None
    if not is_guarded(url) or url.query_string:
        raise ValueError("expected https://host: plain http is for this machine alone")
    return said


Address: TypeAlias = Annotated[str, AfterValidator(_guarded)]
"""An address as it is written, for an issuer is compared letter by letter."""

MEANING_NOTHING: Final = frozenset({"iss", "sub", "aud", "exp", "iat", "nonce"})
"""Claims that are held to what they must be in any case."""


class IdentitySettings(Frozen):
    """The provider, what the hub is to it, and what it must vouch for before anybody is let in.

    `address`: where browsers find this hub; the provider is told `{address}/console/connexion/retour`. `hosts`: other
    hosts than the issuer's where the provider answers. `acr_values`: levels of assurance, one of which a token must
    name; `required_amr`: means of authentication that it must all name; `required_claims`: claims and the values
    that they may have, as `siret` with those of the city's establishments. `local`: whether passwords still open the
    console; without them, `break_glass` is the one login whose password does.
    """

    name: Annotated[str, Field(min_length=1, max_length=40)] = "ProConnect"
    address: Address
    issuer: Address
    client_id: Annotated[str, Field(min_length=1, max_length=255)]
    client_secret_file: Path
    algorithms: Annotated[tuple[Algorithm, ...], Field(min_length=1)] = ("RS256",)
    pkce: bool = True
    userinfo: Literal["signed", "plain"] | None = None
    scopes: tuple[Annotated[str, Field(pattern=r"^[!#-\[\]-~]+$")], ...] = ("openid",)
    acr_values: tuple[str, ...] = ()
    required_amr: tuple[str, ...] = ()
    required_claims: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    hosts: tuple[str, ...] = ()
    ca_file: FilePath | None = None
    post_logout: bool = True
    local: bool = True
    break_glass: str | None = None

    @model_validator(mode="after")
    def _is_coherent(self) -> IdentitySettings:
        if "openid" not in self.scopes:
            raise ValueError("scopes: expected openid among them")
        if idle := sorted(MEANING_NOTHING & self.required_claims.keys()):
            raise ValueError(f"required_claims: {idle[0]} is checked in any case")
        if self.local and self.break_glass is not None:
            raise ValueError("break_glass: every password opens the console unless local is false")
        return self

    def at(self, path: str) -> str:
        """Write the address of a page of this hub."""
        return f"{self.address.rstrip('/')}{path}"

    def opens_by_password(self, login: str) -> bool:
        """Say whether a password may open the console for this login."""
        return self.local or login == self.break_glass

    def is_near(self, url: URL) -> bool:
        """Say whether the provider may be spoken to there: its own hosts, and no plain http but on this machine."""
        issuer = URL(self.issuer)
        same_manner = url.scheme == issuer.scheme
        return is_guarded(url) and same_manner and url.host in {issuer.host, *self.hosts}

"""What `hub.yaml` says of the API's door: its certificates, the tokens it takes, its rates and its limits."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Discriminator, Field, HttpUrl, Tag

from hub.model import Duration, Frozen

Word = Annotated[str, Field(min_length=1, max_length=80)]
Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"]
"""Signatures by a key of which the hub knows the public half only: never `none`, never a shared secret."""

Fingerprint = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
"""The SHA-256 of a certificate in DER, in hex."""

LOCAL: frozenset[str] = frozenset({"localhost", "127.0.0.1", "[::1]"})
"""Hosts that may be spoken to without TLS."""


def _safe(url: HttpUrl) -> HttpUrl:
    if url.scheme != "https" and url.host not in LOCAL:
        raise ValueError("expected https://")
    if url.username or url.password or url.fragment:
        raise ValueError("expected an address without credentials")
    return url


def _kind_of_place(said: object) -> str:
    return "url" if not isinstance(said, Path) and "://" in str(said) else "file"


Place = Annotated[
    Annotated[Path, Tag("file")] | Annotated[HttpUrl, AfterValidator(_safe), Tag("url")],
    Discriminator(_kind_of_place),
]
"""A file, or the https address where it is shown."""


class Tls(Frozen):
    """The certificate under which the API is served; with `client_ca`, callers must show one that it vouches for."""

    certificate: Path
    key: Path
    client_ca: Path | None = None

    def beside(self, folder: Path) -> Tls:
        """Take relative paths from `folder`."""
        authority = folder / self.client_ca if self.client_ca else None
        return Tls(certificate=folder / self.certificate, key=folder / self.key, client_ca=authority)


class Client(Frozen):
    """A client of the city's authorization server: as whom it speaks here, and the kinds and sites it is kept to."""

    front_end: Word
    role: Literal["front_end", "agent", "operator"] = "front_end"
    kinds: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()


class Tokens(Frozen):
    """Which tokens (RFC 9068) are taken instead of a key: who issues them, for whom, and as whom its clients speak."""

    issuer: Word
    audience: Word
    jwks: Place
    algorithms: Annotated[tuple[Algorithm, ...], Field(min_length=1)] = ("RS256", "ES256", "PS256")
    clients: Mapping[Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,60}$")], Client]
    leeway: Duration = Field(default=timedelta(seconds=30), ge=timedelta(0), le=timedelta(minutes=5))

    def beside(self, folder: Path) -> Tokens:
        """Take a relative path from `folder`."""
        return self.model_copy(update={"jwks": folder / self.jwks}) if isinstance(self.jwks, Path) else self


class Rate(Frozen):
    """How many calls a second are answered in the long run, and how many at once."""

    per_second: float = Field(gt=0, le=1_000_000)
    burst: int = Field(ge=1, le=1_000_000)


class Rates(Frozen):
    """How many calls one process answers: to each key or client of tokens, and to each address that shows none."""

    caller: Rate = Rate(per_second=5_000, burst=10_000)
    stranger: Rate = Rate(per_second=5, burst=100)


class Limits(Frozen):
    """How long callers may take, and how many connections a process holds."""

    head_within: Duration = Field(default=timedelta(seconds=10), gt=timedelta(0))
    body_within: Duration = Field(default=timedelta(minutes=1), gt=timedelta(0))
    idle: Duration = Field(default=timedelta(seconds=75), gt=timedelta(0))
    connections: int = Field(default=4_000, ge=1)

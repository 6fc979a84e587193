"""An installation's settings: one closed YAML file, `hub.yaml`, and a few environment variables above it."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    HttpUrl,
    Tag,
    ValidationInfo,
    field_validator,
)

from hub.errors import ConfigurationError
from hub.identity_settings import IdentitySettings
from hub.model import Duration, Frozen
from hub.packages import installed_homes
from hub.privacy.terms import Retention
from hub.settings_audit import AuditSettings
from hub.settings_door import Fingerprint, Limits, Rates, Tls, Tokens
from hub.yamlfile import read_yaml

SCANNER: Final = r"^(tcp://[A-Za-z0-9.-]+:[1-9][0-9]{0,4}|/[^\s]+)$"
"""Where a clamd answers: over TCP, or at the path of its Unix socket."""

HOME: Final = Path(__file__).resolve().parent.parent
"""Where this hub's own connectors, mappings and routes lie."""


BUCKET: Final = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9_-][A-Za-z0-9._-]*)*/?")


def _bucket(url: str) -> str:
    if not BUCKET.fullmatch(url):
        raise ValueError("expected a folder, s3://bucket or s3://bucket/prefix")
    return url


def _endpoint(url: HttpUrl) -> HttpUrl:
    if url.username or url.password or url.query or url.fragment:
        raise ValueError("expected https://host: credentials belong in the environment")
    return url


class Bucket(Frozen):
    """A bucket of an S3-compatible store, and where it answers; its credentials are in the environment only.

    `endpoint` and `region`: the environment's AWS_ENDPOINT_URL and AWS_REGION by default, else those of AWS.
    `arrivals`: a local folder where a file is written before it is known to be good.
    """

    url: Annotated[str, AfterValidator(_bucket)]
    endpoint: Annotated[HttpUrl, AfterValidator(_endpoint)] | None = None
    region: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")] | None = None
    arrivals: Path = Path("var/arrivals")

    @property
    def name(self) -> str:
        """The bucket's name."""
        return self.url.split("/")[2]

    @property
    def prefix(self) -> str:
        """What the keys of this installation begin with."""
        return self.url.removeprefix(f"s3://{self.name}").strip("/")


def _kind_of_store(said: Any) -> str:
    """Tell a bucket from a folder."""
    named = isinstance(said, str) and (said.startswith("s3:") or "://" in said)
    return "bucket" if named or isinstance(said, Bucket | Mapping) else "folder"


def _written_out(said: Any) -> Any:
    return {"url": said} if isinstance(said, str) else said


Files = Annotated[
    Annotated[Path, Tag("folder")] | Annotated[Bucket, BeforeValidator(_written_out), Tag("bucket")],
    Discriminator(_kind_of_store),
]
"""Where attachments are kept: a folder's path, `s3://bucket/prefix`, or a bucket with its endpoint."""


class TargetSettings(Frozen):
    """One target: which connector speaks to it, how it is reached, and what differs from the connector's policy.

    `contract_url`: where it shows its contract, if not where its connector says; `contract_hosts`: other hosts that
    may be asked for what that contract names, `https://schemas.ville.example`.
    """

    connector: str
    settings: Mapping[str, Any] = Field(default_factory=dict)
    policy: Mapping[str, Any] = Field(default_factory=dict)
    contract_url: HttpUrl | None = None
    contract_hosts: tuple[HttpUrl, ...] = ()


class FrontEnd(Frozen):
    """One front end: the target that calls it back, if any, and the certificates it must show, if it must."""

    callback: str | None = None
    certificates: tuple[Fingerprint, ...] = ()


class ConsoleSettings(Frozen):
    """How the city's own console looks, and how long one may stay in it.

    `theme`: a style sheet of the city's, laid over ours. `tiles`: where a map's background comes from, with {z}, {x}
    and {y}; without it the map has none. `districts`: a GeoJSON file whose features bear a `name`. `identity`: the
    provider by which people may come in, beside or instead of passwords.
    """

    city: Annotated[str, Field(min_length=1, max_length=80)] = "Ma ville"
    theme: Path | None = None
    tiles: Annotated[str, Field(pattern=r"^https://[A-Za-z0-9.-]+(:\d+)?/\S+$")] | None = None
    attribution: Annotated[str, Field(max_length=200)] = ""
    districts: Path | None = None
    idle: Duration = Field(default=timedelta(minutes=30), gt=timedelta(0))
    stay: Duration = Field(default=timedelta(hours=10), gt=timedelta(0))
    identity: IdentitySettings | None = None


class Encryption(Frozen):
    """Where the key-encryption keys come from: a file, or a command that prints them (a key service's client).

    One key a line in base64, the first of which wraps; the environment's HUB_ENCRYPTION_KEYS is above both. Without
    either said, the file `keys` beside the secret.
    """

    file: Path | None = None
    command: tuple[str, ...] = ()


class Settings(Frozen):
    """What `hub.yaml` says. Paths are relative to the file itself."""

    database: str = "sqlite:///var/hub.db"
    broker: str | None = None
    files: Files = Path("var/files")
    scanner: Annotated[str, Field(pattern=SCANNER)] | None = None
    secret_file: Path = Path("var/secret")
    encryption: Encryption = Encryption()
    homes: tuple[Path, ...] = ()
    forms: Path = Path("var/forms")
    reload_every: Duration = Field(default=timedelta(seconds=2), ge=timedelta(0))
    targets: Mapping[str, TargetSettings] = Field(default_factory=dict)
    front_ends: Mapping[str, FrontEnd] = Field(default_factory=dict)
    sites: Mapping[str, Mapping[str, str]] = Field(default_factory=dict)
    console: ConsoleSettings = ConsoleSettings()
    audit: AuditSettings = AuditSettings()
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    tls: Tls | None = Field(default=None, validate_default=True)
    tokens: Tokens | None = None
    rates: Rates = Rates()
    limits: Limits = Limits()
    fetch_every: Duration = timedelta(minutes=1)
    drift_every: Duration = Field(default=timedelta(days=1), ge=timedelta(0))
    probe_every: Duration = Field(default=timedelta(minutes=1), ge=timedelta(0))
    contracts: Path = Path("var/contracts")
    retention: Retention = Retention()
    purge_every: Duration = Field(default=timedelta(hours=1), ge=timedelta(0))
    sweep_every: Duration = timedelta(seconds=1)
    grace: Duration = timedelta(seconds=30)

    @field_validator("tls")
    @classmethod
    def _asks_for_certificates(cls, said: Tls | None, read: ValidationInfo) -> Tls | None:
        """Refuse front ends that are held to certificates which nobody would be asked for."""
        held = [name for name, one in read.data.get("front_ends", {}).items() if one.certificates]
        if held and (said is None or said.client_ca is None):
            raise ValueError(f"expected client_ca, for front_ends.{held[0]}.certificates: else nobody is asked for one")
        return said

    @classmethod
    def read(cls, file: Path | None) -> Settings:
        """Read a settings file, or the defaults beside the current folder; the environment has the last word."""
        said = read_yaml(file, file.read_text("utf-8"), cls) if file else cls()
        return said.beside(file.parent if file else Path.cwd(), from_environment)

    def beside(self, folder: Path, variable: Callable[[str], str | None]) -> Settings:
        """Take relative paths from `folder`, and let what `variable` reads have the last word."""
        said, forms = self, folder / self.forms
        return said.model_copy(
            update={
                "database": variable("HUB_DATABASE_URL") or _placed(said.database, folder),
                "broker": variable("HUB_BROKER_URL") or said.broker,
                "files": _files(said.files, folder),
                "secret_file": folder / said.secret_file,
                "encryption": _encryption(said.encryption, folder),
                "contracts": folder / said.contracts,
                "console": _console(said.console, folder),
                "audit": said.audit.beside(folder),
                "tls": said.tls and said.tls.beside(folder),
                "tokens": said.tokens and said.tokens.beside(folder),
                "forms": forms,
                "homes": tuple(dict.fromkeys([*installed_homes(), *(folder / home for home in said.homes), forms])),
            }
        )

    @property
    def places(self) -> tuple[Path, ...]:
        """Every home of this installation, the hub's own first."""
        return (HOME, *self.homes)

    @property
    def key_file(self) -> Path:
        """Where the key-encryption keys lie, unless the environment or a command has them."""
        return self.encryption.file or self.secret_file.with_name("keys")

    def secret(self, *, is_new: bool = True) -> bytes:
        """Read the installation's secret; the first start makes it, for its owner's eyes only.

        Raises ConfigurationError when it is missing and the installation is not new: keys were made with another.
        """
        file = self.secret_file
        if not file.exists():
            if not is_new:
                raise ConfigurationError(file, "the secret of this installation, as its other machines have it")
            file.parent.mkdir(parents=True, exist_ok=True)
            write_once(file, secrets.token_hex(32))
        text = file.read_text().strip()
        if len(text) < 32:
            raise ConfigurationError(file, "a secret of at least 32 characters")
        return text.encode()


def write_once(file: Path, text: str) -> None:
    """Write a secret down whole or not at all, for its owner: of processes that start at once, one writes it."""
    aside = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as opened:
        opened.write(text)
        opened.flush()
        os.fsync(descriptor)
    with suppress(FileExistsError):
        file.hardlink_to(aside)
    aside.unlink()


def from_environment(name: str) -> str | None:
    """Read a variable, or the file that `NAME_FILE` names, as containers are given secrets."""
    file = os.environ.get(f"{name}_FILE")
    try:
        return os.environ.get(name) or (Path(file).read_text("utf-8").strip() if file else None)
    except OSError as error:
        raise ConfigurationError(f"{name}_FILE", f"a file that can be read: {error.strerror}") from None


def _encryption(said: Encryption, folder: Path) -> Encryption:
    """Put the keys' file beside the settings."""
    return said.model_copy(update={"file": folder / said.file}) if said.file else said


def _files(said: Path | Bucket, folder: Path) -> Path | Bucket:
    """Put relative folders beside the settings."""
    return said.model_copy(update={"arrivals": folder / said.arrivals}) if isinstance(said, Bucket) else folder / said


def _console(said: ConsoleSettings, folder: Path) -> ConsoleSettings:
    """Put the console's files beside the settings."""
    files = {"theme": said.theme, "districts": said.districts}
    placed: dict[str, Any] = {name: folder / file for name, file in files.items() if file}
    if said.identity is not None:
        file = folder / said.identity.client_secret_file
        placed["identity"] = said.identity.model_copy(update={"client_secret_file": file})
    return said.model_copy(update=placed)


def _placed(url: str, folder: Path) -> str:
    """Put a relative SQLite file beside the settings."""
    prefix = "sqlite:///"
    if url.startswith(prefix) and not url.startswith(f"{prefix}/"):
        return f"{prefix}{folder.resolve() / url.removeprefix(prefix)}"
    return url

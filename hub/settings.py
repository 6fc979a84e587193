"""An installation's settings: one closed YAML file, `hub.yaml`, and a few environment variables above it."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from pydantic import Field

from hub.errors import ConfigurationError
from hub.model import Duration, Frozen
from hub.yamlfile import read_yaml

HOME: Final = Path(__file__).resolve().parent.parent
"""Where this hub's own connectors, mappings and routes lie."""


class TargetSettings(Frozen):
    """One target: which connector speaks to it, how it is reached, and what differs from the connector's policy."""

    connector: str
    settings: Mapping[str, Any] = Field(default_factory=dict)
    policy: Mapping[str, Any] = Field(default_factory=dict)


class FrontEnd(Frozen):
    """One front end: the target that calls it back, if any."""

    callback: str | None = None


class Settings(Frozen):
    """What `hub.yaml` says. Paths are relative to the file itself."""

    database: str = "sqlite:///var/hub.db"
    files: Path = Path("var/files")
    secret_file: Path = Path("var/secret")
    homes: tuple[Path, ...] = ()
    targets: Mapping[str, TargetSettings] = Field(default_factory=dict)
    front_ends: Mapping[str, FrontEnd] = Field(default_factory=dict)
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    sweep_every: Duration = timedelta(seconds=1)
    grace: Duration = timedelta(seconds=30)

    @classmethod
    def read(cls, file: Path | None) -> Settings:
        """Read a settings file, or the defaults beside the current folder; the environment has the last word."""
        folder = file.parent if file else Path.cwd()
        said = read_yaml(file, file.read_text("utf-8"), cls) if file else cls()
        return said.model_copy(
            update={
                "database": os.environ.get("HUB_DATABASE_URL") or _placed(said.database, folder),
                "files": folder / said.files,
                "secret_file": folder / said.secret_file,
                "homes": tuple(folder / home for home in said.homes),
            }
        )

    def secret(self) -> bytes:
        """Read the installation's secret; the first start makes it, for its owner's eyes only."""
        file = self.secret_file
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as opened:
                opened.write(secrets.token_hex(32))
        text = file.read_text().strip()
        if len(text) < 32:
            raise ConfigurationError(file, "a secret of at least 32 characters")
        return text.encode()


def _placed(url: str, folder: Path) -> str:
    """Put a relative SQLite file beside the settings."""
    prefix = "sqlite:///"
    if url.startswith(prefix) and not url.startswith(f"{prefix}/"):
        return f"{prefix}{folder.resolve() / url.removeprefix(prefix)}"
    return url

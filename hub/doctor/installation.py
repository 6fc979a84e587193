"""The installation that is examined: as much of its settings as can be read, and what checks share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import ValidationError
from sqlalchemy import Connection, Engine, create_engine, make_url

from hub.app import builtin
from hub.catalogue import Catalogue
from hub.database import DRIVER, SERVED, SNAPSHOT, is_server
from hub.doctor.finding import UnseenError
from hub.errors import ConfigurationError
from hub.settings import Settings, TargetSettings, from_environment
from hub.target import LiveTarget
from hub.yamlfile import Plain, read_yaml

BY_ENVIRONMENT: Final = {"database": "HUB_DATABASE_URL", "broker": "HUB_BROKER_URL"}
"""Settings that a variable may say instead."""


@dataclass
class Installation:
    """What is examined; `wrong` are the settings that could not be read, by name → why."""

    file: Path | None
    settings: Settings
    wrong: Mapping[str, str]
    probe: bool = False
    ledger: Engine | None = None
    """Set by the check that reached it."""
    live: dict[str, LiveTarget] = field(default_factory=dict)
    """The targets that could be made from their settings: set by the check that made them."""

    @cached_property
    def catalogue(self) -> Catalogue:
        """The files of all homes; raises ConfigurationError."""
        return Catalogue.read(*self.settings.places)

    @cached_property
    def targets(self) -> Mapping[str, TargetSettings]:
        """The targets that this installation should have."""
        try:
            return {**builtin(self.catalogue), **self.settings.targets}
        except ConfigurationError:
            raise UnseenError("the catalogue") from None

    @property
    def place(self) -> str:
        """Where the ledger is, without who enters it."""
        url = make_url(self.settings.database)
        return f"{url.host}:{url.port or 5432}/{url.database}" if url.host else str(url.database)

    def open_ledger(self) -> Engine:
        """Make an engine that changes nothing; nothing is reached yet. Raises ConfigurationError."""
        if is_server(self.settings.database):
            return create_engine(make_url(self.settings.database).set(drivername=DRIVER), **SERVED)
        file = Path(make_url(self.settings.database).database or "").absolute()
        return create_engine(f"sqlite:///file:{file}?mode=ro&uri=true", hide_parameters=True)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Read the ledger in one snapshot; raises UnseenError when it was not reached."""
        if self.ledger is None:
            raise UnseenError("the ledger")
        options = SNAPSHOT["postgresql"] if self.ledger.dialect.name == "postgresql" else {}
        with self.ledger.connect().execution_options(**options) as connection:
            yield connection


def read_installation(said: Path | None, *, probe: bool = False) -> Installation:
    """Read as much of the settings as can be read; raises nothing."""
    file = said or next((known for known in [Path("hub.yaml")] if known.exists()), None)
    settings, wrong = _read(file) if file else (Settings(), {})
    folder = file.parent if file else Path.cwd()

    def variable(name: str) -> str | None:
        try:
            return from_environment(name)
        except ConfigurationError as error:
            wrong[name] = f"expected {error.expected}"
            return None

    return Installation(file, settings.beside(folder, variable), wrong, probe)


def _read(file: Path) -> tuple[Settings, dict[str, str]]:
    """Read a settings file, setting by setting where not all of it is sound."""
    try:
        text = file.read_text("utf-8")
        return read_yaml(file, text, Settings), {}
    except (OSError, UnicodeDecodeError) as error:
        return Settings(), {"": f"it cannot be read: {getattr(error, 'strerror', None) or 'no UTF-8'}"}
    except ConfigurationError as error:
        whole = f"line {error.line}: {error.expected}" if error.line else error.expected
    try:
        content = yaml.load(text, Loader=Plain)  # noqa: S506  # a safe loader, with less in it
    except yaml.YAMLError:
        content = None
    if not isinstance(content, dict):
        return Settings(), {"": whole}
    return _salvaged(content)


def _salvaged(content: Mapping[str, Any]) -> tuple[Settings, dict[str, str]]:
    """Keep what is sound of some settings, target by target too."""
    kept: dict[str, Any] = {}
    wrong: dict[str, str] = {}
    for place, part in _parts(content):
        try:
            Settings.model_validate(part)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            wrong[place] = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        else:
            name = place.partition(".")[0]
            kept[name] = {**kept.get(name, {}), **part[name]} if "." in place else part[name]
    return Settings.model_validate(kept), wrong


def _parts(content: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, said in content.items():
        if name == "targets" and isinstance(said, dict):
            yield from ((f"targets.{target}", {"targets": {target: its}}) for target, its in said.items())
        else:
            yield str(name), {name: said}

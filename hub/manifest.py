"""What a connector declares in its folder: `connector.toml` and `errors.toml`, readable without importing it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Annotated, Final, TypeVar

from pydantic import BaseModel, Field, ValidationError

from hub.errors import (
    ConfigurationError,
    DeliveryError,
    RefusedError,
    TransientError,
    UncertainError,
)
from hub.model import Duration, Effect, Frozen, Verdict
from hub.policy import Policy

UNMAPPED: Final = "unmapped"
"""The code of an answer that the connector's table does not know."""

MEANS: Final[Mapping[Verdict, type[DeliveryError]]] = {
    Verdict.REFUSED: RefusedError,
    Verdict.TRANSIENT: TransientError,
    Verdict.UNCERTAIN: UncertainError,
}

Model = TypeVar("Model", bound=BaseModel)


class Operation(Frozen):
    """One thing a connector can do; one whose effect is `safe` may be asked while somebody waits.

    `contract`, `answer`: files of the connector's folder, what it takes and the JSON Schema of its receipt's details.
    A contract that describes more than one thing goes with the name of what a mapping writes: `population.xsd#Recours`.
    `cache`: how long the answer of a safe operation may be given again. `allow_once`: why it is not looked up although
    its contract offers that. `four_eyes`: whether a second person must agree before one of its deliveries is closed by
    hand.
    """

    title: str
    effect: Effect
    visible_after: Duration = timedelta(seconds=5)
    contract: str = ""
    answer: str = ""
    cache: Duration | None = None
    deadline: Duration | None = None
    allow_once: str = ""
    four_eyes: bool = False

    @property
    def contract_file(self) -> str:
        """The contract's file."""
        return self.contract.partition("#")[0]

    @property
    def contract_part(self) -> str:
        """What a mapping writes of it; "" when it is the whole."""
        return self.contract.partition("#")[2]


class Certainty(StrEnum):
    """How sure we are of a target's contract."""

    PUBLIC = "public"
    OBSERVED = "observed"
    THIRD_PARTY = "third-party"
    HYPOTHETICAL = "hypothetical"


class LiveKind(StrEnum):
    """What a target shows its contract in."""

    WSDL = "wsdl"
    XSD = "xsd"
    OPENAPI = "openapi"
    CAPABILITIES = "capabilities"
    JSON_SCHEMA = "jsonschema"
    CERTIFICATE = "certificate"


class Live(Frozen):
    """Where a target shows a contract of its own, to be compared with the copy in the connector's folder.

    `path`: below the target's URL, or added to its query; `{name}` stands for a setting, whose value is in `defaults`
    where the target's settings do not say. `contract`: the copy, a file of the folder; or else what was seen first.
    `when`: the settings of the targets that show it. `operations`: ours → the element that the connector writes for it.
    """

    kind: LiveKind
    path: str = ""
    contract: str = ""
    when: Mapping[str, str] = Field(default_factory=dict)
    defaults: Mapping[str, str] = Field(default_factory=dict)
    operations: Mapping[str, str] = Field(default_factory=dict)


class Manifest(Frozen):
    """A connector's `connector.toml`: what it is and what it can do.

    `stage` is what agents read when this target fails and its errors table says nothing nearer.
    """

    name: str
    title: str
    vendor: str
    owner: str
    protocol: str
    certainty: Certainty
    stage: str
    tier: str = "bronze"
    builtin: bool = False
    """Whether it needs no settings: its target is there in every installation, under its own name."""
    policy: Policy = Policy()
    operations: Mapping[str, Operation] = Field(default_factory=dict)
    live: tuple[Live, ...] = ()

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Read `folder`/connector.toml; raises ConfigurationError naming the file and the field."""
        file = folder / "connector.toml"
        manifest = read_toml(file, cls)
        if manifest.name != folder.name:
            raise ConfigurationError(file, f"name: must be that of its folder, {folder.name!r}")
        return manifest


class ErrorRow(Frozen):
    """One line of an errors table: how a target says it, what it means, which stage agents read.

    `code` matches what the target calls the error, exactly; `pattern`, where the target only has
    sentences, is searched in them without regard to case.
    """

    code: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,60}$")]
    pattern: str | None = None
    verdict: Verdict
    stage: str = ""
    hint: str = ""
    retry_after: Duration | None = None

    @cached_property
    def finds(self) -> re.Pattern[str] | None:
        """The compiled pattern."""
        return re.compile(self.pattern, re.IGNORECASE) if self.pattern else None


class ErrorTable(Frozen):
    """A connector's `errors.toml`: the target's own errors → verdict → stage."""

    error: tuple[ErrorRow, ...] = ()

    @classmethod
    def read(cls, folder: Path) -> ErrorTable:
        """Read `folder`/errors.toml; raises ConfigurationError naming the file and the field."""
        return read_toml(folder / "errors.toml", cls)

    def find(self, said: str) -> ErrorRow | None:
        """Find what the target said, by code first, then by pattern; None when the table does not know it."""
        for row in self.error:
            if row.code == said:
                return row
        return next((row for row in self.error if row.finds and row.finds.search(said)), None)

    def failure(self, said: str, otherwise: Verdict = Verdict.REFUSED) -> DeliveryError:
        """Make the error that `said` stands for; what the table does not know means `otherwise`.

        A row whose verdict is *accepted* ("already exists") is for the connector to look for before
        it calls this; reaching here with one is a refusal without a stage.
        """
        row = self.find(said)
        if row is None:
            return MEANS[otherwise](UNMAPPED)
        return MEANS.get(row.verdict, RefusedError)(row.code, stage=row.stage, retry_after=row.retry_after)


def read_toml(file: Path, model: type[Model]) -> Model:
    """Read a TOML file into a closed model; raises ConfigurationError with file, field and expectation."""
    try:
        return model.model_validate(tomllib.loads(file.read_text("utf-8")))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(file, str(error)) from None
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise ConfigurationError(file, f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None

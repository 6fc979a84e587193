"""Queries: live questions of front ends, each a folder of `routes/` with a `query.yaml`, compiled once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import jsonschema_rs

from hub.errors import ConfigurationError, MappingError
from hub.formats import validator
from hub.mapping import FAILURES, CompiledMapping, Expression
from hub.model import Code, Duration, Frozen
from hub.routing import StepName
from hub.schema import read_schema
from hub.yamlfile import read_yaml

PATIENCE: Final = timedelta(seconds=3)
"""How long a front end is kept waiting, unless the query says otherwise: a citizen waits behind it."""


class QueryFile(Frozen):
    """What `query.yaml` says.

    `answer`: an expression that turns what the target gave, `$answer`, into what front ends are told; all of it by
    default. `cache`: how long one answer may be given to whoever asks the same.
    """

    query: Code
    title: str
    target: StepName
    using: str
    answer: str | None = None
    within: Duration = PATIENCE
    cache: Duration | None = None


@dataclass(frozen=True)
class Query:
    """A query ready to be asked."""

    said: QueryFile
    mapping: CompiledMapping
    schema: Mapping[str, Any]
    answer_schema: Mapping[str, Any]
    validator: jsonschema_rs.Draft202012Validator
    answer: Expression | None

    @property
    def name(self) -> str:
        """By which front ends ask it."""
        return self.said.query

    @classmethod
    def read(cls, folder: Path, texts: Mapping[str, str]) -> Query:
        """Compile a folder's query with the mapping it uses; raises ConfigurationError naming file and line."""
        file = folder / "query.yaml"
        said = read_yaml(file, file.read_text("utf-8"), QueryFile)
        if said.using not in texts:
            raise ConfigurationError(file, f"no mapping is called {said.using!r} (mappings/{said.using}.yaml)")
        schema, answer_schema = (_schema(folder / name) for name in ("schema.json", "answer.json"))
        return cls(
            said,
            CompiledMapping.read(f"mappings/{said.using}.yaml", texts[said.using]),
            schema,
            answer_schema,
            validator(schema),
            _expression(file, said.answer) if said.answer else None,
        )

    def tell(self, document: Mapping[str, Any], given: Mapping[str, Any]) -> Any:
        """Turn what a target gave into what the front end is told; raises MappingError."""
        if self.answer is None:
            return dict(given)
        try:
            return self.answer.value(document, {"answer": dict(given)})
        except FAILURES:
            raise MappingError(self.name, ("answer",)) from None


def _schema(file: Path) -> dict[str, Any]:
    if not file.exists():
        raise ConfigurationError(file, "a query needs the schema of its question and, in answer.json, of its answer")
    return read_schema(str(file), file.read_text("utf-8"))


def _expression(file: Path, source: str) -> Expression:
    try:
        return Expression(source)
    except FAILURES as error:
        raise ConfigurationError(file, f"answer: {error}") from None

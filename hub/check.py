"""`hub check`: what is wrong in the declarative files, every finding with the file to open."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson

from hub.catalogue import CALLBACK_MAPPING, Catalogue, Definition
from hub.errors import ConfigurationError, MappingError
from hub.mapping import CompiledMapping
from hub.model import Effect, Submission
from hub.query import Query
from hub.routing import ACCEPTED, CANCELLED, FINALIZED, INTEGRATION_ERROR, RECEIVED, UNDER_WAY, Done, only_asks
from hub.routing import REFUSED as REFUSED_STAGE

ANY_KIND: Final = "*"
FEWEST_SAMPLES: Final = 3
EVERY_ROUTE: Final = (RECEIVED, UNDER_WAY, INTEGRATION_ERROR, ACCEPTED, REFUSED_STAGE, CANCELLED, FINALIZED)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: where, what, and what to do."""

    file: str
    message: str
    line: int | None = None


def check(*homes: Path) -> list[Finding]:
    """Find everything that is wrong with the files under `homes`."""
    try:
        catalogue = Catalogue.read(*homes)
    except ConfigurationError as error:
        return [Finding(error.file, error.expected, error.line)]
    findings = [*_check_stages(catalogue, homes), *_check_mappings(homes)]
    for kind, definition in catalogue.kinds.items():
        folder = catalogue.folders[kind]
        findings += _check_route(catalogue, definition, folder)
        findings += _check_samples(definition, folder)
    for name, query in catalogue.queries.items():
        findings += _check_query(catalogue, query, catalogue.folders[name])
    return sorted(findings, key=lambda finding: (finding.file, finding.line or 0, finding.message))


def _check_stages(catalogue: Catalogue, homes: tuple[Path, ...]) -> Iterator[Finding]:
    """Every stage that any route may reach has a sentence for the citizen."""
    file = str(homes[0] / "routes/stages.yaml")
    for stage in EVERY_ROUTE:
        if catalogue.kinds and stage not in catalogue.stages:
            yield Finding(file, f"the stage « {stage} » has no message for the citizen: add one")


def _check_mappings(homes: tuple[Path, ...]) -> Iterator[Finding]:
    """Every mapping compiles, bears its file's name, and keeps its own examples."""
    for file in sorted(file for home in homes for file in home.glob("mappings/*/*.yaml")):
        try:
            mapping = CompiledMapping.read(file, file.read_text("utf-8"))
        except ConfigurationError as error:
            yield Finding(error.file, error.expected, error.line)
            continue
        if mapping.name != f"{file.parent.name}/{file.stem}":
            yield Finding(str(file), f"mapping: must be {file.parent.name}/{file.stem}, the file's own name")
        yield from _check_examples(file, mapping)


def _check_examples(file: Path, mapping: CompiledMapping) -> Iterator[Finding]:
    for example in mapping.examples:
        try:
            written = mapping.apply(example.given, example.bindings)
        except MappingError as error:
            yield Finding(str(file), f"the example « {example.name} » fails on {', '.join(error.fields)}")
            continue
        if written != example.expect:
            yield Finding(str(file), f"the example « {example.name} » does not give what it expects")


def _check_route(catalogue: Catalogue, definition: Definition, folder: Path) -> Iterator[Finding]:
    """Every step leads somewhere: a mapping for this kind, an operation that exists, stages with words."""
    file = str(folder / "route.yaml")
    known = catalogue.stages.keys() | {manifest.stage for manifest in catalogue.manifests.values()}
    for stage in definition.route.stages:
        if stage not in known:
            yield Finding(file, f"the stage « {stage} » is not in routes/stages.yaml")
    for step in definition.route.carried:
        yield from _check_step(catalogue, definition, step, file)
    if not any(name.endswith(f"/{CALLBACK_MAPPING}") for name in definition.mappings):
        yield Finding(file, f"no mapping called {CALLBACK_MAPPING} writes the call-backs")


def _check_step(catalogue: Catalogue, definition: Definition, step: Done, file: str) -> Iterator[Finding]:
    mapping = definition.mappings[step.using]
    if definition.kind not in mapping.kinds and ANY_KIND not in mapping.kinds:
        yield Finding(file, f"step {step.name}: the mapping {step.using} is not made from {definition.kind}")
    manifest = catalogue.manifests.get(mapping.connector)
    if manifest is None:
        yield Finding(file, f"step {step.name}: no connector is called {mapping.connector!r}")
    elif manifest.operations and mapping.operation not in manifest.operations:
        known = ", ".join(sorted(manifest.operations))
        yield Finding(file, f"step {step.name}: {mapping.connector} has no operation {mapping.operation!r} ({known})")
    elif manifest.operations and only_asks(step) and manifest.operations[mapping.operation].effect is not Effect.SAFE:
        yield Finding(file, f"step {step.name}: it asks, and {mapping.operation} of {mapping.connector} is not safe")


def _check_query(catalogue: Catalogue, query: Query, folder: Path) -> Iterator[Finding]:
    """Look for a mapping made from the question, a safe operation, and samples that show it."""
    file = str(folder / "query.yaml")
    if query.name not in query.mapping.kinds and ANY_KIND not in query.mapping.kinds:
        yield Finding(file, f"the mapping {query.said.using} is not made from {query.name}")
    manifest = catalogue.manifests.get(query.mapping.connector)
    operation = manifest.operations.get(query.mapping.operation) if manifest else None
    if manifest and manifest.operations and (operation is None or operation.effect is not Effect.SAFE):
        wanted = f"{query.mapping.connector}.{query.mapping.operation} is no operation whose effect is safe"
        yield Finding(file, f"using: {wanted}")
    if query.said.cache and operation and (operation.cache is None or query.said.cache > operation.cache):
        yield Finding(file, f"cache: {query.mapping.connector} does not let its answer be kept that long")
    yield from _check_questions(query, folder)


def _check_questions(query: Query, folder: Path) -> Iterator[Finding]:
    samples = sorted(folder.glob("samples/*.json"))
    if len(samples) < FEWEST_SAMPLES:
        yield Finding(str(folder), f"{len(samples)} samples: give at least {FEWEST_SAMPLES} under samples/")
    for sample in samples:
        data = orjson.loads(sample.read_bytes()).get("data")
        for error in query.validator.iter_errors(data):
            yield Finding(str(sample), f"/data/{'/'.join(map(str, error.instance_path))}: {error.message}")


def _check_samples(definition: Definition, folder: Path) -> Iterator[Finding]:
    """Every kind has samples, and they are accepted."""
    samples = sorted(folder.glob("samples/*.json"))
    if len(samples) < FEWEST_SAMPLES:
        yield Finding(str(folder), f"{len(samples)} samples: give at least {FEWEST_SAMPLES} under samples/")
    for file in samples:
        try:
            submission = Submission.model_validate(orjson.loads(file.read_bytes()))
        except ValueError:
            yield Finding(str(file), "not a submission: hub submit shows which field")
            continue
        if submission.kind != definition.kind:
            yield Finding(str(file), f"its kind must be {definition.kind}")
        for error in definition.validator.iter_errors(submission.data):
            yield Finding(str(file), f"/data/{'/'.join(map(str, error.instance_path))}: {error.message}")

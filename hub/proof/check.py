"""`hub check`: what is wrong in the declarative files, every finding with the file to open."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import orjson
from jsonschema_rs import ValidationError

from hub.catalogue import CALLBACK_MAPPING, Catalogue, Definition
from hub.errors import ConfigurationError, MappingError
from hub.mapping import CompiledMapping
from hub.model import Effect, Submission
from hub.proof.admission import cache_folder, proofs
from hub.proof.check_connectors import check_connectors
from hub.proof.check_steps import check_steps
from hub.proof.finding import Finding
from hub.query import Query
from hub.routing import ACCEPTED, CANCELLED, FINALIZED, INTEGRATION_ERROR, RECEIVED, UNDER_WAY, Done, only_asks
from hub.routing import REFUSED as REFUSED_STAGE
from hub.yamlfile import line_of

ANY_KIND: Final = "*"
FEWEST_SAMPLES: Final = 3
EXAMPLES: Final = "correct the expression, or what the example expects"
STEP: Final = "name a mapping of this kind, for an operation that its connector has"
SAMPLE: Final = "correct the sample, or the schema that it shows"
CALL_BACK: Final = "add mappings/<connector>/etape.yaml for the front end's connector"
EVERY_ROUTE: Final = (RECEIVED, UNDER_WAY, INTEGRATION_ERROR, ACCEPTED, REFUSED_STAGE, CANCELLED, FINALIZED)

POLITE: Final = 10
"""How much a check beside a process that carries requests gives way to it."""


def check(*homes: Path) -> list[Finding]:
    """Find everything that is wrong with the files under `homes`, but for what they say to be accepted."""
    return [finding for finding in check_all(*homes) if not finding.accepted]


def check_all(*homes: Path) -> list[Finding]:
    """Find everything that is wrong with the files under `homes`; what they accept is among it, and says why."""
    try:
        catalogue = Catalogue.read(*homes)
    except ConfigurationError as error:
        return [_broken(error)]
    findings = [*_check_stages(catalogue, homes), *_check_mappings(homes), *check_connectors(catalogue)]
    try:
        findings += proofs(catalogue, homes, cache_folder())
    except ConfigurationError as error:
        findings.append(_broken(error))
    for kind, definition in catalogue.kinds.items():
        folder = catalogue.folders[kind]
        findings += _check_route(catalogue, definition, folder)
        findings += check_steps(definition, folder / "route.yaml")
        findings += _check_samples(definition, folder)
    for name, query in catalogue.queries.items():
        findings += _check_query(catalogue, query, catalogue.folders[name])
    return sorted(findings, key=lambda finding: (finding.file, finding.line or 0, finding.message))


def _broken(error: ConfigurationError) -> Finding:
    return Finding(error.file, error.expected, error.line, advice="correct it: nothing can be read before", code="file")


def _check_stages(catalogue: Catalogue, homes: tuple[Path, ...]) -> Iterator[Finding]:
    """Every stage that any route may reach has a sentence for the citizen."""
    file = str(homes[0] / "routes/stages.yaml")
    for stage in EVERY_ROUTE:
        if catalogue.kinds and stage not in catalogue.stages:
            yield Finding(
                file,
                f"the stage « {stage} » has no message for the citizen: add one",
                code="stage-silent",
                advice="add it with its `message`",
            )


def _check_mappings(homes: tuple[Path, ...]) -> Iterator[Finding]:
    """Every mapping compiles, bears its file's name, and keeps its own examples."""
    for file in sorted(file for home in homes for file in home.glob("mappings/*/*.yaml")):
        text = file.read_text("utf-8")
        try:
            mapping = CompiledMapping.read(file, text)
        except ConfigurationError as error:
            yield _broken(error)
            continue
        if mapping.name != f"{file.parent.name}/{file.stem}":
            yield Finding(
                str(file),
                f"mapping: must be {file.parent.name}/{file.stem}, the file's own name",
                1,
                "mapping",
                "give the mapping its file's name, or the file the mapping's",
                "name",
            )
        yield from _check_examples(file, text, mapping)


def _check_examples(file: Path, text: str, mapping: CompiledMapping) -> Iterator[Finding]:
    for place, example in enumerate(mapping.examples):
        line = line_of(text, ("examples", place)) or 1
        try:
            written = mapping.apply(example.given, example.bindings)
        except MappingError as error:
            said = f"the example « {example.name} » fails on {', '.join(error.fields)}"
            yield Finding(str(file), said, line, error.fields[0], EXAMPLES, "example")
            continue
        if written != example.expect:
            said = f"the example « {example.name} » does not give what it expects"
            yield Finding(str(file), said, line, _differing(written, example.expect), EXAMPLES, "example")


def _differing(written: Any, expected: Any, above: str = "") -> str:
    """Name the first field that differs."""
    if not isinstance(written, dict) or not isinstance(expected, dict):
        return above
    for name in (*expected, *written):
        if written.get(name, _differing) != expected.get(name, _differing):
            return _differing(written.get(name), expected.get(name), f"{above}.{name}" if above else name)
    return above


def _check_route(catalogue: Catalogue, definition: Definition, folder: Path) -> Iterator[Finding]:
    """Every step leads somewhere: a mapping for this kind, an operation that exists, stages with words."""
    file = str(folder / "route.yaml")
    known = catalogue.stages.keys() | {manifest.stage for manifest in catalogue.manifests.values()}
    for stage in definition.route.stages:
        if stage not in known:
            yield Finding(
                file,
                f"the stage « {stage} » is not in routes/stages.yaml",
                _line_saying(folder / "route.yaml", stage),
                advice="add it there with a sentence for the citizen, or name one that is there",
                code="stage-silent",
            )
    for step in definition.route.carried:
        yield from _check_step(catalogue, definition, step, file)
    if not any(name.endswith(f"/{CALLBACK_MAPPING}") for name in definition.mappings):
        yield Finding(
            file, f"no mapping called {CALLBACK_MAPPING} writes the call-backs", code="call-back", advice=CALL_BACK
        )


def _check_step(catalogue: Catalogue, definition: Definition, step: Done, file: str) -> Iterator[Finding]:
    mapping, said = definition.mappings[step.using], []
    if definition.kind not in mapping.kinds and ANY_KIND not in mapping.kinds:
        said.append(f"the mapping {step.using} is not made from {definition.kind}")
    manifest = catalogue.manifests.get(mapping.connector)
    if manifest is None:
        said.append(f"no connector is called {mapping.connector!r}")
    elif manifest.operations and mapping.operation not in manifest.operations:
        known = ", ".join(sorted(manifest.operations))
        said.append(f"{mapping.connector} has no operation {mapping.operation!r} ({known})")
    elif manifest.operations and only_asks(step) and manifest.operations[mapping.operation].effect is not Effect.SAFE:
        said.append(f"it asks, and {mapping.operation} of {mapping.connector} is not safe")
    line = _line_saying(Path(file), step.using)
    yield from (Finding(file, f"step {step.name}: {one}", line, step.name, STEP, "step") for one in said)


def _line_saying(file: Path, word: str) -> int | None:
    """Find the line of a file that says a word."""
    lines = file.read_text("utf-8").splitlines()
    return next((number for number, line in enumerate(lines, 1) if word in line), None)


def _check_query(catalogue: Catalogue, query: Query, folder: Path) -> Iterator[Finding]:
    """Look for a mapping made from the question, a safe operation, and samples that show it."""
    file = str(folder / "query.yaml")
    if query.name not in query.mapping.kinds and ANY_KIND not in query.mapping.kinds:
        said = f"the mapping {query.said.using} is not made from {query.name}"
        yield Finding(file, said, None, "using", "add the query to the mapping's `from`", "step")
    manifest = catalogue.manifests.get(query.mapping.connector)
    operation = manifest.operations.get(query.mapping.operation) if manifest else None
    if manifest and manifest.operations and (operation is None or operation.effect is not Effect.SAFE):
        wanted = f"{query.mapping.connector}.{query.mapping.operation} is no operation whose effect is safe"
        yield Finding(file, f"using: {wanted}", None, "using", "use a mapping for a safe operation", "step")
    if query.said.cache and operation and (operation.cache is None or query.said.cache > operation.cache):
        said = f"cache: {query.mapping.connector} does not let its answer be kept that long"
        yield Finding(file, said, None, "cache", "shorten it to the operation's own `cache`", "cache")
    yield from _check_questions(query, folder)


def _check_questions(query: Query, folder: Path) -> Iterator[Finding]:
    samples = sorted(folder.glob("samples/*.json"))
    if len(samples) < FEWEST_SAMPLES:
        said = f"{len(samples)} samples: give at least {FEWEST_SAMPLES} under samples/"
        yield Finding(str(folder), said, code="samples", advice="add some that show the form's variety")
    for sample in samples:
        data = orjson.loads(sample.read_bytes()).get("data")
        for error in query.validator.iter_errors(data):
            yield _unfit(sample, error)


def _check_samples(definition: Definition, folder: Path) -> Iterator[Finding]:
    """Every kind has samples, and they are accepted."""
    samples = sorted(folder.glob("samples/*.json"))
    if len(samples) < FEWEST_SAMPLES:
        said = f"{len(samples)} samples: give at least {FEWEST_SAMPLES} under samples/"
        yield Finding(str(folder), said, code="samples", advice="add some that show the form's variety")
    for file in samples:
        try:
            submission = Submission.model_validate(orjson.loads(file.read_bytes()))
        except ValueError:
            said = "not a submission: hub submit shows which field"
            yield Finding(str(file), said, code="samples", advice=SAMPLE)
            continue
        if submission.kind != definition.kind:
            yield Finding(str(file), f"its kind must be {definition.kind}", None, "kind", SAMPLE, "samples")
        for error in definition.validator.iter_errors(submission.data):
            yield _unfit(file, error)


def _unfit(file: Path, error: ValidationError) -> Finding:
    path = "/".join(map(str, error.instance_path))
    return Finding(str(file), f"/data/{path}: {error.message}", None, f"/data/{path}", SAMPLE, "samples")


__all__ = ["Finding", "check", "check_all"]


def main() -> None:
    """Check the homes that the arguments name, giving way to whoever carries requests; print what is wrong, in JSON."""
    os.nice(POLITE)
    found = [asdict(one) for one in check(*map(Path, sys.argv[1:]))]
    sys.stdout.buffer.write(orjson.dumps(found))


if __name__ == "__main__":
    main()

"""Findings as SARIF 2.1.0, which code hosts and editors read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from hub.proof.finding import Finding

SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
BASE: Final = "FOLDER"


def as_sarif(findings: Iterable[Finding], folder: Path, version: str) -> dict[str, Any]:
    """Write findings as one SARIF run; files under `folder` are given relative to it."""
    found = list(findings)
    codes = sorted({finding.code for finding in found})
    driver = {"name": "hub check", "semanticVersion": version, "rules": [_rule(code, found) for code in codes]}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {BASE: {"uri": f"{folder.resolve().as_uri()}/"}},
        "results": [_result(finding, codes, folder.resolve()) for finding in found],
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(code: str, found: Sequence[Finding]) -> dict[str, Any]:
    advice = next((finding.advice for finding in found if finding.code == code and finding.advice), "")
    said = {"id": code or "finding", "shortDescription": {"text": (code or "finding").replace("-", " ")}}
    return said | ({"help": {"text": advice}} if advice else {})


def _result(finding: Finding, codes: Sequence[str], folder: Path) -> dict[str, Any]:
    place: dict[str, Any] = {"artifactLocation": _artifact(Path(finding.file), folder)}
    if finding.line:
        place["region"] = {"startLine": finding.line}
    location: dict[str, Any] = {"physicalLocation": place}
    if finding.field:
        location["logicalLocations"] = [{"fullyQualifiedName": finding.field}]
    text = f"{finding.message}. To do: {finding.advice}." if finding.advice else finding.message
    result: dict[str, Any] = {
        "ruleId": finding.code or "finding",
        "ruleIndex": codes.index(finding.code),
        "level": "error",
        "message": {"text": text},
        "locations": [location],
    }
    if finding.accepted:
        result["suppressions"] = [{"kind": "inSource", "justification": finding.accepted}]
    if finding.example:
        result["properties"] = {"request": finding.example}
    return result


def _artifact(file: Path, folder: Path) -> dict[str, str]:
    whole = file if file.is_absolute() else folder / file
    if whole.is_relative_to(folder):
        return {"uri": quote(whole.relative_to(folder).as_posix()), "uriBaseId": BASE}
    return {"uri": whole.as_uri()}

"""Are vulnerabilities known of what the hub installs? Fails when some are; says so plainly when nobody could be asked.

`python -m tests.supply.audit` answers 0 where no service of vulnerabilities can be reached; with `--strict` it
fails there.

A service is first asked about a version known to be flawed: an index that mirrors files alone finds nothing wrong with
it, and its silence about the rest would mean as little. A package the service does not know was not asked about.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from tests.supply.locked import RUNNING

SERVICES = ("pypi", "osv")
KNOWN_TO_BE_FLAWED = "jinja2==2.10\n"
PATIENCE = 300
SHARE = 0.9
"""How much of a lock a service must know before its silence means something."""


@dataclass(frozen=True)
class Finding:
    """A known vulnerability of a package that is installed."""

    package: str
    number: str
    mended: str


@dataclass(frozen=True)
class Outcome:
    """What came of asking: how many packages were asked about, which were not, and what is known of them."""

    asked: int
    unknown: tuple[str, ...]
    findings: tuple[Finding, ...]

    @property
    def answered(self) -> bool:
        """Whether what was said means anything: a finding always does."""
        return bool(self.findings) or self.asked >= SHARE * (self.asked + len(self.unknown)) > 0


def outcome_of(report: dict[str, Any]) -> Outcome:
    """Read what pip-audit reports."""
    packages = report["dependencies"]
    asked = [one for one in packages if "vulns" in one]
    findings = [
        Finding(f"{one['name']} {one['version']}", flaw["id"], ", ".join(flaw["fix_versions"]) or "no version yet")
        for one in asked
        for flaw in one["vulns"]
    ]
    return Outcome(len(asked), tuple(one["name"] for one in packages if "vulns" not in one), tuple(findings))


def knows_flaws(service: str) -> bool:
    """Say whether a service tells what is known of a version known to be flawed."""
    with NamedTemporaryFile("w", suffix=".txt") as file:
        file.write(KNOWN_TO_BE_FLAWED)
        file.flush()
        outcome = ask(service, Path(file.name), "--no-deps")
    return outcome is not None and bool(outcome.findings)


def ask(service: str, lock: Path = RUNNING, trust: str = "--require-hashes") -> Outcome | None:
    """Ask one service; None when it cannot be reached."""
    command = [sys.executable, "-m", "pip_audit", "--vulnerability-service", service, "--requirement", str(lock)]
    options = ["--disable-pip", trust, "--progress-spinner", "off", "--format", "json", "--timeout", "10"]
    try:
        ended = subprocess.run([*command, *options], capture_output=True, check=False, timeout=PATIENCE)
        return outcome_of(json.loads(ended.stdout))
    except (subprocess.TimeoutExpired, json.JSONDecodeError):
        return None


def conclude(outcomes: list[Outcome | None], *, strict: bool) -> tuple[str, int]:
    """Say what is known, and whether to go on."""
    answers = [one for one in outcomes if one and one.answered]
    if not answers:
        return "not run: no vulnerability service reachable", int(strict)
    found = [flaw for one in answers for flaw in one.findings]
    if found:
        return "\n".join(f"{one.package}: {one.number}, mended by {one.mended}" for one in found), 1
    asked = max(one.asked for one in answers)
    return f"{asked} packages asked about, no vulnerability known", 0


def main() -> int:
    """Ask every service that answers."""
    said, code = conclude([ask(service) for service in SERVICES if knows_flaws(service)], strict="--strict" in sys.argv)
    sys.stdout.write(f"audit: {said}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())

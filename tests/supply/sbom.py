"""The bill of materials of what the hub installs, in CycloneDX 1.6: each file's hash, each licence, what needs what.

`python -m tests.supply.sbom build/sbom.json` writes it, and fails on one that the format's own schema refuses.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import requires
from pathlib import Path
from typing import Any

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tests.supply.licences import told
from tests.supply.locked import ROOT, RUNNING

FORMAT = SchemaVersion.V1_6
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
NAME = re.compile(r"[A-Za-z0-9._-]+")


def bill() -> dict[str, Any]:
    """Write the bill of what the lock names."""
    options = ["--pyproject", "pyproject.toml", "--sv", FORMAT.to_version(), "--output-reproducible", "--no-validate"]
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "cyclonedx_py", "requirements", *options, RUNNING.name],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    return completed(json.loads(ended.stdout))


def completed(said: dict[str, Any]) -> dict[str, Any]:
    """Add the licences and what needs what; leave out the lines of the lock, which are there as hashes already."""
    references = {one["name"]: one["bom-ref"] for one in said["components"]}
    licences = {one.name: one.expression for one in told()}
    for one in said["components"]:
        one["licenses"] = [{"expression": licences[one["name"]]}]
        del one["description"]
    root = said["metadata"]["component"]
    needing = {root["name"]: root["bom-ref"], **references}
    said["dependencies"] = [
        {"ref": reference, "dependsOn": sorted(references[needed] for needed in needs(name) & references.keys())}
        for name, reference in needing.items()
    ]
    return said


def needs(package: str) -> set[str]:
    """Name what a package needs, what it needs only sometimes included; what is installed of this one may be older."""
    lines = PROJECT["dependencies"] if package == PROJECT["name"] else requires(package) or ()
    build = PROJECT["optional-dependencies"]["build"] if package == PROJECT["name"] else ()
    return {re.sub(r"[._]+", "-", name[0].lower()) for line in (*lines, *build) if (name := NAME.match(line))}


def faults(said: dict[str, Any]) -> str:
    """Hold a bill to the format's schema."""
    found = JsonStrictValidator(FORMAT).validate_str(json.dumps(said))
    return str(found or "")


def main() -> int:
    """Write the bill to the file that is named."""
    [_, name] = sys.argv
    said = bill()
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(json.dumps(said, indent=1, sort_keys=True) + "\n", "utf-8")
    found = faults(said)
    sys.stderr.write(found)
    sys.stdout.write(f"{name}: {len(said['components'])} components, CycloneDX {said['specVersion']}\n")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())

"""A comparison: the contract that a target shows now, beside the one that the hub goes by."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from hub.catalogue import Catalogue
from hub.drift.breaks import Break, Changed, breaks_of
from hub.drift.canonical import definitions, digest, spaces, text_digest
from hub.drift.certificate import left_of, read
from hub.drift.difference import Change, Difference, differences
from hub.drift.documents import Documents, UnfitError, is_xml, read_copy
from hub.drift.elements import elements_of
from hub.drift.fetch import Fetcher
from hub.drift.shelf import Accepted, Shelf
from hub.errors import ConfigurationError
from hub.manifest import Live, LiveKind, Manifest
from hub.settings import TargetSettings

EXPIRES_WITHIN: Final = timedelta(days=30)
"""How long before its end a certificate is told of."""

EXPIRY: Final = "expiry"
"""What stands for an element where a certificate ends."""

FIRST: Final = "seen first"
"""Why a contract is gone by of which the connector has no copy, and that nobody accepted."""


class Standing(StrEnum):
    """How a live contract stands beside the one that the hub goes by, the best first."""

    UNCHANGED = "unchanged"
    COSMETIC = "cosmetic"
    FIRST_SEEN = "first seen"
    CHANGED = "changed"
    UNCHECKED = "unchecked"


@dataclass(frozen=True)
class Comparison:
    """What became of one contract of a target; `code` says why it could not be compared."""

    contract: str
    standing: Standing
    against: str = ""
    code: str = ""
    differences: tuple[Difference, ...] = ()
    breaks: tuple[Break, ...] = ()
    expires_at: str = ""
    """When a certificate is over."""


@dataclass(frozen=True)
class Watched:
    """A target whose connector says where its contract is."""

    name: str
    said: TargetSettings
    manifest: Manifest
    folder: Path
    lives: Mapping[str, Live]
    """Contracts by the names that they have on the shelf."""


@dataclass(frozen=True)
class Report:
    """What was found of one target."""

    target: str
    checked_at: str
    comparisons: tuple[Comparison, ...] = field(default_factory=tuple)

    @property
    def standing(self) -> Standing:
        """The worst of its contracts; what could not be compared hides no change."""
        stands = {one.standing for one in self.comparisons}
        order = (Standing.CHANGED, Standing.UNCHECKED, Standing.FIRST_SEEN, Standing.COSMETIC)
        return next((one for one in order if one in stands), Standing.UNCHANGED)

    def as_values(self) -> dict[str, Any]:
        """Write it down, as `hub drift --json` does."""
        return {
            "target": self.target,
            "standing": self.standing,
            "checked_at": self.checked_at,
            "contracts": [asdict(one) for one in self.comparisons],
        }


def watched(catalogue: Catalogue, targets: Mapping[str, TargetSettings]) -> dict[str, Watched]:
    """Find the targets whose connectors say where their contracts are."""
    found = {}
    for name, said in targets.items():
        manifest = catalogue.manifests.get(said.connector)
        lives = dict(_lives(manifest, said)) if manifest else {}
        if manifest and lives:
            found[name] = Watched(name, said, manifest, catalogue.packages[said.connector].folder, lives)
    return found


def _lives(manifest: Manifest, said: TargetSettings) -> Iterator[tuple[str, Live]]:
    """Give the contracts that a target shows, those of other settings left out, and certificates where there is TLS."""
    is_secure = str(said.settings.get("url", "")).startswith("https:")
    elsewhere = str(said.contract_url or "")
    counts: dict[str, int] = {}
    for live in manifest.live:
        if live.kind is LiveKind.CERTIFICATE and not is_secure:
            continue
        if all(str(said.settings.get(name, live.defaults.get(name))) == value for name, value in live.when.items()):
            counts[live.kind] = counts.get(live.kind, 0) + 1
            name = f"{live.kind}-{counts[live.kind]}" if counts[live.kind] > 1 else str(live.kind)
            if elsewhere and live.kind is not LiveKind.CERTIFICATE:
                yield name, live.model_copy(update={"path": elsewhere})
                elsewhere = ""
            else:
                yield name, live


UNREADABLE: Final = "unreadable"
"""The code of a contract that nothing can be made of."""


async def compare(target: Watched, shelf: Shelf, catalogue: Catalogue, homes: Sequence[Path]) -> Report:
    """Compare every contract of a target; what is seen first is kept. Raises OSError where the shelf fails."""
    compared = []
    for name, live in target.lives.items():
        try:
            shown = await Fetcher(target.said).fetch(live)
            found = await asyncio.to_thread(_compare, target, name, shown, shelf, (catalogue, tuple(homes)))
            compared.append(replace(found, expires_at=_expiry_of(shown)))
        except UnfitError as error:
            compared.append(Comparison(name, Standing.UNCHECKED, code=error.code))
        except (ConfigurationError, ValueError, RecursionError):  # of a contract that nothing can be made of
            compared.append(Comparison(name, Standing.UNCHECKED, code=UNREADABLE))
    return Report(target.name, moment(), tuple(compared))


def note(shelf: Shelf, report: Report) -> None:
    """Keep what was found; one that could not be compared changes nothing of what is known but that it was tried."""
    found, last = report.as_values(), shelf.last(report.target)
    compared = report.standing is not Standing.UNCHECKED
    found["compared_at"] = report.checked_at if compared else last.get("compared_at", report.checked_at)
    expiries = [one.expires_at for one in report.comparisons if one.expires_at]
    found["expires_at"] = min(expiries, default=last.get("expires_at", ""))
    found["drift"] = any(map(_is_drift, report.comparisons)) if compared else bool(last.get("drift"))
    shelf.write_last(report.target, found)


async def accept(target: Watched, shelf: Shelf, reason: str) -> list[str]:
    """Keep what a target shows now as what to go by, all or nothing; raises UnfitError or OSError."""
    shown = {name: await Fetcher(target.said).fetch(live) for name, live in target.lives.items()}
    for name, documents in shown.items():
        shelf.accept(target.name, name, Accepted(documents, moment(), reason))
    return list(shown)


def _compare(
    target: Watched, name: str, shown: Documents, shelf: Shelf, known: tuple[Catalogue, tuple[Path, ...]]
) -> Comparison:
    reference, against = reference_of(target, name, shelf)
    if reference is None:
        shelf.accept(target.name, name, Accepted(shown, moment(), FIRST))
        reference, against = shown, ""
    found = tuple(_differences(reference, shown))
    if not found:
        same = text_digest(reference) == text_digest(shown)
        well = Standing.UNCHANGED if same else Standing.COSMETIC
        return Comparison(name, well if against else Standing.FIRST_SEEN, against)
    changed = Changed(target.manifest, target.folder, target.lives[name], reference, shown, found)
    return Comparison(name, Standing.CHANGED, against, "", found, tuple(breaks_of(changed, *known)))


def _is_drift(one: Comparison) -> bool:
    """Say whether a contract is another; that a certificate ends is told by its date."""
    return one.standing is Standing.CHANGED and any(each.element != EXPIRY for each in one.differences)


def _expiry_of(shown: Documents) -> str:
    """Say when a certificate is over; nothing of any other contract."""
    return read(shown).not_valid_after_utc.isoformat() if shown.kind is LiveKind.CERTIFICATE else ""


def reference_of(target: Watched, name: str, shelf: Shelf) -> tuple[Documents | None, str]:
    """Give the contract to go by, and say where it is from: what was accepted, or the connector's copy."""
    if accepted := shelf.accepted(target.name, name):
        return accepted.documents, f"accepted {accepted.at[:10]}: {accepted.reason}"
    live = target.lives[name]
    if not live.contract:
        return None, ""
    return read_copy(target.folder / live.contract, live.kind), f"{target.manifest.name}/{live.contract}"


def _differences(before: Documents, after: Documents) -> Iterator[Difference]:
    """Say what is not as it was, element by element; by definition where no element tells."""
    if after.kind is LiveKind.CERTIFICATE and (left := left_of(after)) < EXPIRES_WITHIN:
        yield Difference(Change.ALTERED, EXPIRY, "", "over" if left < timedelta() else f"in {left.days} days")
    if digest(before) == digest(after):
        return
    told = _of_elements(before, after)
    yield from told
    if is_xml(after.kind):
        yield from _of_definitions(before, after, told=bool(told))
    elif not told:
        yield Difference(Change.ALTERED, "contract")


def _of_elements(before: Documents, after: Documents) -> list[Difference]:
    """Say what happened to which element; nothing where the contract never could be taken apart that far."""
    try:
        was = elements_of(before)
    except ConfigurationError:
        return []
    try:
        now = elements_of(after)
    except ConfigurationError as error:
        return [Difference(Change.ALTERED, "contract", "", f"cannot be read: {error.expected}")]
    return sorted(differences(was, now), key=lambda one: (one.element, one.change))


def _of_definitions(before: Documents, after: Documents, *, told: bool) -> Iterator[Difference]:
    was, now = definitions(before), definitions(after)
    for change, gone in (
        (Change.REMOVED, spaces(before) - spaces(after)),
        (Change.ADDED, spaces(after) - spaces(before)),
    ):
        for space in sorted(gone):
            yield Difference(change, f"namespace {space}")
    if not told:
        for name in sorted(one for one in was.keys() | now.keys() if was.get(one) != now.get(one)):
            yield Difference(Change.ALTERED, name)


def moment() -> str:
    """Give the time."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")

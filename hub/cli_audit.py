"""The verbs of the audit, which read the ledger itself, whether a hub runs on it or not."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from hub.cli_local import Config, read_settings
from hub.terminal import Json, note, say, say_json, tell_rows

COLUMNS: Final = ("n", "at", "actor", "action", "object", "outcome", "detail")

Since = Annotated[str | None, typer.Option(help="Only rows since this day: 2026-09-01.")]

audit = typer.Typer(
    no_args_is_help=True,
    help="Verify, read and export the audit: who did, saw or was refused what.\n\nExample: hub audit verify",
)


@audit.command()
def verify(
    *,
    anchor: Annotated[
        Path | None, typer.Option(help="The file of anchors, or a syslog server's; that of the settings by default.")
    ] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Walk the whole chain; exit code 1 and the first row's number when one is not as it was written.

    Rows that are missing at the very end can only be seen for sure with an anchor, which was kept elsewhere.

    Example: hub audit verify --anchor /mnt/journal/hub.anchors
    """
    from hub.auditor import verify_audit

    settings = read_settings(config)
    said = settings.audit.anchor
    kept = Path(said) if anchor is None and said and "://" not in said else None
    verdict = verify_audit(settings, anchor or (kept if kept and kept.exists() else None))
    bad = verdict.bad
    if as_json:
        found = {"n": bad.n, "fault": str(bad.fault)} if bad else None
        good = {"first": verdict.first, "last": verdict.last, "hash": verdict.hash, "anchors": verdict.anchors}
        say_json({**good, "bad": found})
    elif bad:
        say(f"the first bad one is {bad.sentence}")
    else:
        say(f"rows {verdict.first} to {verdict.last} are as they were written; anchors that agree: {verdict.anchors}")
        if not verdict.anchors:
            note("without an anchor kept elsewhere, nobody can tell whether the last rows were cut off")
    raise typer.Exit(bad is not None)


@audit.command()
def show(  # noqa: PLR0913  # its options are its parameters
    *,
    since: Since = None,
    actor: Annotated[str, typer.Option(help="Only this actor's: console/agnes, or a house and its key.")] = "",
    about: Annotated[str, typer.Option("--object", help='Only about this: "request 100000042".')] = "",
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="At most so many.")] = 50,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Show rows, the newest first.

    Example: hub audit show --actor console/agnes --since 2026-09-01
    """
    from hub.audit_pages import Sought, as_said
    from hub.auditor import show_audit

    sought = Sought(actor=actor, about=about, since=_day(since), limit=limit)
    rows = [as_said(row) for row in show_audit(read_settings(config), sought)[:limit]]
    if not as_json:
        rows = [{**row, "detail": _words(row["detail"])} for row in rows]
    tell_rows(rows, "audit", COLUMNS, as_json=as_json)


@audit.command()
def export(*, since: Since = None, config: Config = None) -> None:
    """Print every row in order, one JSON object a line, to be kept elsewhere.

    Example: hub audit export --since 2026-01-01 > audit-2026.jsonl
    """
    from hub.auditor import export_audit

    for line in export_audit(read_settings(config), _day(since) or 0):
        sys.stdout.buffer.write(line + b"\n")


def _words(detail: object) -> str:
    if not isinstance(detail, dict):
        return str(detail)
    return " ".join(f"{name}={_short(value)}" for name, value in detail.items())


def _short(value: object) -> str:
    """Write a value on a screen: a digest is known by its first digits."""
    said = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    return f"{said[:12]}…" if len(said) == 64 else said


def _day(said: str | None) -> int | None:
    """Read a day as the moment when it begins in Paris."""
    from datetime import datetime

    from hub.calendar import PARIS

    try:
        return None if said is None else int(datetime.fromisoformat(said).replace(tzinfo=PARIS).timestamp() * 1000)
    except ValueError:
        raise typer.BadParameter("a day, as 2026-09-01") from None

"""Checks of who comes in: keys that are about to end, and the certificate that the API shows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography.x509 import load_pem_x509_certificates

from hub.clock import system_clock
from hub.doctor.finding import Finding, Level
from hub.doctor.installation import Installation
from hub.keys import every_key

DAY: Final = 86_400_000
SOON: Final = 30
VERY_SOON: Final = 7
"""Days before the end of a key or a certificate from which it is a warning, or a fault."""


def keys(case: Installation) -> Iterator[Finding]:
    """Find the keys that end soon; one that has ended or was revoked is nobody's business any more."""
    now = system_clock()
    with case.reading() as connection:
        living = [key for key in every_key(connection) if key.alive(now)]
    for key in living:
        if key.expires_at is not None and (level := _level(key.expires_at - now)) is not Level.WELL:
            said = f"the {key.role} key {key.prefix} ends in {_days(key.expires_at - now)}"
            yield Finding("keys", level, key.front_end, said, f"hub keys rotate {key.prefix}, and give the new one")
    if not any(key.expires_at is not None and _level(key.expires_at - now) is not Level.WELL for key in living):
        yield Finding("keys", Level.WELL, case.place, f"{len(living)} live, none ends within {SOON} days")


def certificate(case: Installation) -> Iterator[Finding]:
    """Read the certificate of the API, and see how long it still lives."""
    said = case.settings.tls
    if said is None:
        yield Finding("certificate", Level.WELL, "tls", "none: TLS is for a proxy of the city's")
        return
    for file in filter(None, (said.certificate, said.client_ca)):
        yield _examined(file)


def _examined(file: Path) -> Finding:
    try:
        [first, *_] = load_pem_x509_certificates(file.read_bytes())
    except (OSError, ValueError):
        return Finding("certificate", Level.FAULT, str(file), "it holds no certificate", "correct `tls`")
    left = int((first.not_valid_after_utc - datetime.now(UTC)).total_seconds() * 1000)
    if left <= 0:
        return Finding("certificate", Level.FAULT, str(file), "it has ended", "renew it, and start the hub again")
    todo = "" if _level(left) is Level.WELL else "renew it, and start the hub again"
    return Finding("certificate", _level(left), str(file), f"it ends in {_days(left)}", todo)


def _level(left: int) -> Level:
    days = left / DAY
    return Level.FAULT if days <= VERY_SOON else Level.WARNING if days <= SOON else Level.WELL


def _days(left: int) -> str:
    return f"{left // DAY} days"

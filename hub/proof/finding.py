"""A finding: one thing that is wrong in a file, with what to do about it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: where, what, and what to do.

    `field` is the mapping's, or the document's; `code` names the rule (docs/proof.md). `accepted` says why a finding is
    let stand, in the words of the file that lets it. `example` is a made-up request that shows it, as JSON to paste.
    """

    file: str
    message: str
    line: int | None = None
    field: str = ""
    advice: str = ""
    code: str = ""
    accepted: str = ""
    example: str = ""

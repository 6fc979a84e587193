"""What somebody has approved of a mapping's changes: a file beside the mapping, a line a group, with the reason."""

from __future__ import annotations

import getpass
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import orjson
from pydantic import Field, ValidationError

from hub.errors import ConfigurationError
from hub.model import Frozen

ENDING: Final = ".approved.json"


class Approval(Frozen):
    """One group of changes that somebody has looked at and wants."""

    group: str
    path: str
    cause: str
    reason: str = Field(min_length=1)
    by: str = ""


class Approvals(Frozen):
    """`mappings/…/NAME.approved.json`."""

    mapping: str
    approved: tuple[Approval, ...] = ()

    @classmethod
    def read(cls, file: Path, mapping: str) -> Approvals:
        """Read the file, or begin with nothing approved; raises ConfigurationError."""
        if not file.exists():
            return cls(mapping=mapping)
        try:
            said = cls.model_validate(orjson.loads(file.read_bytes()))
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            raise ConfigurationError(file, f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
        except orjson.JSONDecodeError as error:
            raise ConfigurationError(file, error.msg, error.lineno) from None
        if said.mapping != mapping:
            raise ConfigurationError(file, f"mapping: must be {mapping}, whose changes it approves")
        return said

    @property
    def reasons(self) -> Mapping[str, str]:
        """Group → why it is wanted."""
        return {one.group: one.reason for one in self.approved}

    def write(self, file: Path, *more: Approval) -> Approvals:
        """Write these and more down, each group once, in the order of the elements."""
        kept = {one.group: one for one in (*self.approved, *more)}
        after = Approvals(mapping=self.mapping, approved=tuple(sorted(kept.values(), key=lambda one: one.path)))
        file.write_text(json.dumps(after.model_dump(), ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        return after


def file_beside(mapping: Path) -> Path:
    """Say where the approvals of a mapping's file lie."""
    return mapping.with_name(mapping.stem + ENDING)


def approve(group: str, path: str, cause: str, reason: str) -> Approval:
    """Approve a group in the name of whoever sits at the terminal."""
    try:
        who = getpass.getuser()
    except (KeyError, OSError):  # a container's user need not have a name
        who = ""
    return Approval(group=group, path=path, cause=cause, reason=reason, by=who)

"""Installing a form as a kind, version after version, and retiring it; running hubs take it as any changed file."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson

from hub.catalogue import Catalogue
from hub.forms.compare import Change, compare
from hub.forms.kind import TARGET, Files, files_of
from hub.forms.model import Finding, Form, FormError, read_form
from hub.forms.proof import prove
from hub.forms.shelf import Shelf, kind_of, point, write
from hub.proof.check import check


@dataclass(frozen=True, slots=True)
class Installed:
    """A form that is in use: the version of its own, its kind, and what changed with it; `is_new` when it did."""

    code: str
    title: str
    kind: str
    version: int
    error_step: str
    is_new: bool
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True)
class Listed:
    """A form as it stands: the version in use, or the last one of a form that is retired."""

    code: str
    title: str
    kind: str
    version: int
    service: str
    retired: bool


def install(shelf: Shelf, said: Any, homes: Sequence[Path]) -> Installed:
    """Make a form the kind it describes, for new requests; raises FormError, and changes nothing then.

    `homes` are all of the installation's: the form must go together with what is there.
    """
    form = read_form(said)
    stages = error_stages(homes)
    refuse(prove(form, stages))
    with _alone(shelf):
        before, in_use = shelf.latest(form.code), shelf.in_use(form.code)
        old = read_form(shelf.read(form.code, before)) if before else None
        if old == form and in_use:
            return Installed(form.code, form.title, kind_of(form.code), in_use, stages[0], is_new=False)
        version = max(shelf.versions(form.code), default=0) + 1
        folder, mappings = files_of(form, version, stages)
        refuse(_try(form, folder, mappings, homes))
        _put(shelf, form, version, said, (folder, mappings))
    changes = tuple(compare(old, form)) if old else ()
    return Installed(form.code, form.title, kind_of(form.code), version, stages[0], is_new=True, changes=changes)


def retire(shelf: Shelf, code: str) -> str:
    """Take no new requests of a form; gives what is said to whoever still asks. Raises FormError for an unknown one."""
    with _alone(shelf):
        version = shelf.in_use(code)
        if version is None:
            raise FormError([unknown(shelf, code)])
        message = f"La démarche « {read_form(shelf.read(code, version)).title} » n'est plus proposée."
        write(shelf.notice(code), orjson.dumps({"message": message}, option=orjson.OPT_APPEND_NEWLINE))
        shelf.link(code).unlink()
        _tidy(shelf, code, None)
    return message


def listed(shelf: Shelf) -> Iterator[Listed]:
    """List the forms of an installation."""
    for code in shelf.codes:
        version = shelf.latest(code)
        if version is not None:
            form = read_form(shelf.read(code, version))
            is_retired = shelf.in_use(code) is None
            yield Listed(code, form.title, kind_of(code), version, form.service.email, is_retired)


def differences(shelf: Shelf, code: str, said: Any) -> list[Change]:
    """Compare a form with its version in use; raises FormError."""
    version = shelf.latest(code)
    if version is None:
        raise FormError([unknown(shelf, code)])
    return compare(read_form(shelf.read(code, version)), read_form(said))


def unknown(shelf: Shelf, code: str) -> Finding:
    """Say that there is no such form in use."""
    known = ", ".join(code for code in shelf.codes if shelf.in_use(code)) or "none yet"
    return Finding("", code, "no form of this code is in use", f"in use: {known}")


def error_stages(homes: Sequence[Path]) -> tuple[str, ...]:
    """Give the stages at which a form's requests stand when its target fails, the usual one first."""
    catalogue = Catalogue.read(*homes)
    rows = catalogue.errors[TARGET].error
    return tuple(dict.fromkeys([catalogue.manifests[TARGET].stage, *(row.stage for row in rows if row.stage)]))


def refuse(findings: Sequence[Finding]) -> None:
    """Raise FormError if there are findings."""
    if findings:
        raise FormError(list(findings))


def _try(form: Form, folder: Files, mappings: Files, homes: Sequence[Path]) -> list[Finding]:
    """Put the new kind beside all else, in a home of its own, and look for what does not go together."""
    with TemporaryDirectory() as staging:
        home = Path(staging)
        _write(home, f"routes/{kind_of(form.code).replace('.', '_')}", folder)
        _write(home, "mappings/courriel", mappings)
        found = check(*homes, home)
        return [Finding(one.file.removeprefix(f"{home}/"), form.title, one.message, one.advice) for one in found]


def _put(shelf: Shelf, form: Form, version: int, said: Any, files: tuple[Files, Files]) -> None:
    """Write a version down beside the one in use, then let new requests come under it, in one step."""
    folder, mappings = files
    write(shelf.file(form.code, version), orjson.dumps(said, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    _write(shelf.folder(form.code), str(version), folder)
    _write(shelf.home, "mappings/courriel", mappings)
    point(shelf.link(form.code), shelf.folder(form.code) / str(version))
    shelf.notice(form.code).unlink(missing_ok=True)
    _tidy(shelf, form.code, version)


def _write(home: Path, folder: str, files: Files) -> None:
    for name, content in files.items():
        write(home / folder / name, content)


def _tidy(shelf: Shelf, code: str, kept: int | None) -> None:
    """Take away what was made of the versions that are no longer in use; the versions themselves stay."""
    needed = set(shelf.mappings(code, kept)) if kept else set()
    for file in set(shelf.mappings(code)) - needed:
        file.unlink()
    for version in shelf.versions(code):
        if version != kept:
            shutil.rmtree(shelf.folder(code) / str(version), ignore_errors=True)


@contextmanager
def _alone(shelf: Shelf) -> Iterator[None]:
    """Let one installation change the shelf at a time."""
    shelf.home.mkdir(parents=True, exist_ok=True)
    with (shelf.home / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield

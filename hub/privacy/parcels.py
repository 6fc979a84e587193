"""Handing an export over: a folder, or a zip, of one JSON file and the files that came with the requests."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Final

import orjson

from hub.attachments import Described
from hub.privacy.export import export, files_of, place_of, without
from hub.privacy.office import Office
from hub.privacy.retention import terms_of
from hub.sealed_files import SealingStore
from hub.stores import Store, StoreError
from hub.vault import SealError

NAMED: Final = "demandes.json"


class Folder:
    """A folder that is written to, for its owner's eyes only."""

    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir(mode=0o700, parents=True)

    def writestr(self, name: str, content: bytes) -> None:
        """Write a file."""
        file = self._root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


async def hand_over(office: Office, numbers: Sequence[int], out: Path) -> dict[str, Any]:
    """Write everything that is held of these requests to a folder, or to a zip; gives what the JSON says.

    A file that is missing or does not open is noted in the JSON, and the rest goes on. A parcel that cannot be written
    whole is taken away again.
    """
    with office.reading() as connection:
        terms = terms_of(office.book.catalogue, office.settings.retention)
        said = export(connection, office.book, terms, numbers)
        described = files_of(connection, numbers)
    store = await office.store() if described else None
    with _whole(out) as parcel:
        missing = await _fill(parcel, office, store, described) if store else ()
        parcel.writestr(NAMED, orjson.dumps(without(said, missing), option=orjson.OPT_INDENT_2))
    return said


async def _fill(parcel: Any, office: Office, store: Store, described: Sequence[Described]) -> Collection[str]:
    """Put files in a parcel; gives the places of those that cannot be read."""
    missing = set()
    for one in described:
        try:
            content = await _content(office, store, one)
        except (StoreError, FileNotFoundError, SealError):
            missing.add(place_of(one))
        else:
            parcel.writestr(place_of(one), content)
    return missing


@contextmanager
def _whole(out: Path) -> Iterator[Any]:
    """Open a parcel that was not there, and take it away again when it cannot be filled; raises FileExistsError."""
    opened = _opened(out)
    try:
        with opened as parcel:
            yield parcel
    except BaseException:
        shutil.rmtree(out) if out.is_dir() else out.unlink(missing_ok=True)
        raise


def _opened(out: Path) -> AbstractContextManager[Any]:
    if out.suffix == ".zip":
        out.touch(mode=0o600, exist_ok=False)
        return zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED)
    return nullcontext(Folder(out))


async def _content(office: Office, store: Store, one: Described) -> bytes:
    """Read a file whole; raises StoreError, FileNotFoundError or SealError."""
    if one.stored is None:
        return b"".join([piece async for piece in store.open(one.sha256)])
    sealing = SealingStore(store, office.book.vault.sealer(one.id, one.data_key))
    sealing.stored = one.stored
    return b"".join([piece async for piece in sealing.open(one.sha256)])

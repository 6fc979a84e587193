"""Handing an export over: a folder, or a zip, of one JSON file and the files that came with the requests."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Final

import orjson

from hub.attachments import Described
from hub.privacy.export import export, files_of, place_of
from hub.privacy.office import Office
from hub.privacy.retention import terms_of
from hub.sealed_files import SealingStore
from hub.stores import Store

NAMED: Final = "demandes.json"


class Folder:
    """A folder that is written to, for its owner's eyes only."""

    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir(mode=0o700, parents=True, exist_ok=True)

    def writestr(self, name: str, content: bytes) -> None:
        """Write a file."""
        file = self._root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


async def hand_over(office: Office, numbers: Sequence[int], out: Path) -> dict[str, Any]:
    """Write everything that is held of these requests to a folder, or to a zip; gives what the JSON says."""
    with office.reading() as connection:
        terms = terms_of(office.book.catalogue, office.settings.retention)
        said = export(connection, office.book, terms, numbers)
        described = files_of(connection, numbers)
    store = await office.store() if described else None
    with _opened(out) as parcel:
        parcel.writestr(NAMED, orjson.dumps(said, option=orjson.OPT_INDENT_2))
        for one in described:
            if store is not None:
                parcel.writestr(place_of(one), await _content(office, store, one))
    return said


def _opened(out: Path) -> AbstractContextManager[Any]:
    if out.suffix == ".zip":
        out.touch(mode=0o600)
        return zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED)
    return nullcontext(Folder(out))


async def _content(office: Office, store: Store, one: Described) -> bytes:
    """Read a file whole; raises StoreError, FileNotFoundError or SealError."""
    if one.stored is None:
        return b"".join([piece async for piece in store.open(one.sha256)])
    sealing = SealingStore(store, office.book.vault.sealer(one.id, one.data_key))
    sealing.stored = one.stored
    return b"".join([piece async for piece in sealing.open(one.sha256)])

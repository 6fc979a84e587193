"""Where attachments are kept, under their SHA-256: a local folder, or a bucket of an S3-compatible store."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from datetime import timedelta
from io import BufferedReader
from pathlib import Path
from typing import Final, ParamSpec, Protocol, TypeVar

import structlog
from obstore import store as obstore
from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError

from hub.errors import ConfigurationError, TransientError
from hub.settings import Bucket

PIECE: Final = 256 * 1024
ABANDONED: Final = timedelta(hours=1)

ANSWERS_WITHIN: Final = 10.0
"""Seconds within which a bucket gives the next piece of a file, or says whether it has one."""

TAKES_WITHIN: Final = 30.0
"""Seconds within which a bucket takes a whole file."""

ON_DISK: Final[Mapping[int | None, str]] = {
    errno.ENOSPC: "store_full",
    errno.EDQUOT: "store_full",
    errno.EACCES: "store_denied",
    errno.EPERM: "store_denied",
    errno.EROFS: "store_denied",
}
"""What a disk refuses → the code of a StoreError; anything else is `store_unreachable`."""

IN_BUCKET: Final[Mapping[type[Exception], str]] = {
    PermissionDeniedError: "store_denied",
    UnauthenticatedError: "store_denied",
    FileNotFoundError: "store_no_bucket",
    Exception: "store_unreachable",
}
"""What obstore raises, the nearest class first → the code of a StoreError."""

NO_SUCH_KEY: Final = "<Code>NoSuchKey</Code>"
"""What S3 says of a content it does not have; any other 404 speaks of a missing bucket, or is no S3 store's."""

FOR_A_PERSON: Final[Mapping[str, str]] = {
    "store_denied": "credentials that may read, write, delete and list (s3:ListBucket) in this bucket",
    "store_no_bucket": "a bucket that exists, at the endpoint of an S3-compatible store",
}
"""The failures that no waiting mends → what was expected instead."""

log = structlog.get_logger()

P = ParamSpec("P")
Result = TypeVar("Result")


class StoreError(TransientError):
    """The store of attachments failed: nothing was kept, and what it has cannot be read for now."""


class Store(Protocol):
    """Where files are kept, under their SHA-256; a content put twice is kept once.

    Whatever fails in it is a StoreError; every operation ends by a deadline of its own.
    """

    arrivals: Path
    """A local folder where a file is written before it is known to be good."""

    async def put(self, arrival: Path, sha256: str) -> None:
        """Keep a local file, durably, and take it away from the arrivals."""
        ...

    def open(self, sha256: str) -> AsyncIterator[bytes]:
        """Read a file in pieces, the last one once all of it is known to be what was put; raises FileNotFoundError."""
        ...

    async def delete(self, sha256: str) -> None:
        """Forget a content, whether or not it is there; the caller knows that nobody needs it any more."""
        ...

    async def exists(self, sha256: str) -> bool:
        """Say whether a content is there."""
        ...


async def open_store(said: Path | Bucket) -> Store:
    """Open the store that the settings name; raises ConfigurationError for one that no waiting would open.

    A bucket that does not answer yet is no reason not to start: requests without files are taken meanwhile.
    """
    store = S3Store(said) if isinstance(said, Bucket) else FolderStore(said)
    try:
        await store.exists("0" * 64)
    except StoreError as error:
        if expected := FOR_A_PERSON.get(error.code):
            raise ConfigurationError(f"files: {said.url if isinstance(said, Bucket) else said}", expected) from None
    return store


class FolderStore:
    """A store in a local folder: `root/ab/cd/abcd…`, written aside, synced, then renamed."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._named: set[Path] = set()
        self.arrivals = prepare_arrivals(root / "arrivals")

    async def put(self, arrival: Path, sha256: str) -> None:
        """Sync the file, rename it into place, sync the folders that name it, unless they are known to be on disk."""
        await on_disk(self._put, arrival, self._root / place_of(sha256))

    def open(self, sha256: str) -> AsyncIterator[bytes]:
        """Read in pieces of 256 KiB, off the event loop."""
        return as_kept(sha256, self._read(self._root / place_of(sha256)))

    async def delete(self, sha256: str) -> None:
        """Unlink the file."""
        await on_disk((self._root / place_of(sha256)).unlink, missing_ok=True)

    async def exists(self, sha256: str) -> bool:
        """Look for the file."""
        return await on_disk(self._has, self._root / place_of(sha256))

    async def _read(self, place: Path) -> AsyncGenerator[bytes, None]:
        begun = await on_disk(self._begin, place)
        if begun is None:
            raise FileNotFoundError(place.name)
        first, file = begun
        yield first
        if file is None:
            return
        try:
            while piece := await on_disk(file.read, PIECE):
                yield piece
        finally:
            file.close()

    def _begin(self, place: Path) -> tuple[bytes, BufferedReader | None] | None:
        """Read a first piece, at once with the opening: most files are no larger; None when there is no such file."""
        if not self._has(place):
            return None
        file = place.open("rb")
        try:
            first = file.read(PIECE)
        except OSError:
            file.close()
            raise
        if len(first) == PIECE:
            return first, file
        file.close()
        return first, None

    def _has(self, place: Path) -> bool:
        """Look for a content; a disk that is not mounted has no arrivals either, and says nothing of what it has."""
        return place.is_file() or not self.arrivals.stat()

    def _put(self, arrival: Path, place: Path) -> None:
        if not place.parent.is_dir():
            self._named -= {place.parent, place.parent.parent}
            place.parent.mkdir(parents=True, exist_ok=True)
        sync(arrival)
        arrival.replace(place)
        sync(place.parent)
        for folder in (place.parent, place.parent.parent):
            if folder not in self._named:
                sync(folder.parent)
                self._named.add(folder)


class S3Store:
    """A store in a bucket: `prefix/ab/cd/abcd…`; the server checks each content against its signed SHA-256."""

    def __init__(self, said: Bucket) -> None:
        self._bucket = connect(said)
        self.arrivals = prepare_arrivals(said.arrivals)

    async def put(self, arrival: Path, sha256: str) -> None:
        """Hand the file over in one piece: it is there whole, or not at all."""
        async with answering(TAKES_WITHIN):
            await self._bucket.put_async(place_of(sha256), arrival, use_multipart=False)
        await on_disk(arrival.unlink, missing_ok=True)

    def open(self, sha256: str) -> AsyncIterator[bytes]:
        """Read in pieces of 256 KiB or a little more."""
        return as_kept(sha256, self._read(place_of(sha256)))

    async def delete(self, sha256: str) -> None:
        """Delete the object."""
        with suppress(FileNotFoundError):
            async with answering(ANSWERS_WITHIN):
                await self._bucket.delete_async(place_of(sha256))

    async def exists(self, sha256: str) -> bool:
        """Ask for the first byte: a HEAD that finds nothing does not say whether it is the bucket that is missing."""
        try:
            async with answering(ANSWERS_WITHIN):
                await self._bucket.get_range_async(place_of(sha256), start=0, length=1)
        except FileNotFoundError:
            return False
        return True

    async def _read(self, place: str) -> AsyncGenerator[bytes, None]:
        async with answering(ANSWERS_WITHIN):
            pieces = (await self._bucket.get_async(place)).stream(PIECE)
        while True:
            async with answering(ANSWERS_WITHIN):
                piece = await anext(pieces, b"")
            if not piece:
                return
            yield piece


def connect(said: Bucket) -> obstore.S3Store:
    """Make the client of a bucket, with the environment's credentials; raises ConfigurationError."""
    config: obstore.S3Config = {
        "access_key_id": credential("AWS_ACCESS_KEY_ID"),
        "secret_access_key": credential("AWS_SECRET_ACCESS_KEY"),
        "disable_bulk_delete": True,  # not every compatible store has it
    }
    if said.region:
        config["region"] = said.region
    if said.endpoint:
        config["aws_endpoint_url_s3"] = str(said.endpoint).rstrip("/")
    return obstore.S3Store(
        said.name,
        prefix=said.prefix or None,
        config=config,
        client_options={
            "allow_http": said.endpoint is not None and said.endpoint.scheme == "http",
            "connect_timeout": timedelta(seconds=ANSWERS_WITHIN / 2),
            "timeout": timedelta(hours=1),  # a reader may take his time; each piece has its own deadline
        },
        retry_config={"max_retries": 2, "retry_timeout": timedelta(seconds=ANSWERS_WITHIN)},
    )


def credential(variable: str) -> str:
    """Read a credential in the file that `<variable>_FILE` names, or in the environment; raises ConfigurationError."""
    file = os.environ.get(f"{variable}_FILE")
    try:
        said = Path(file).read_text("utf-8").strip() if file else os.environ.get(variable, "").strip()
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError(f"{variable}_FILE", "a file that this process may read") from None
    if not said:
        raise ConfigurationError(variable, f"the bucket's credential in the environment, or in {variable}_FILE's file")
    return said


def prepare_arrivals(folder: Path) -> Path:
    """Make the folder of arrivals, and remove from it what a process that died left half received."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        oldest = time.time() - ABANDONED.total_seconds()
        for arrival in folder.iterdir():
            with suppress(FileNotFoundError):
                if arrival.stat().st_mtime < oldest:
                    arrival.unlink()
    except OSError:
        raise ConfigurationError(folder, "a folder that this process may make and write in") from None
    return folder


def place_of(sha256: str) -> str:
    """Say under which name a content is kept; raises ValueError for what is no SHA-256."""
    if not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise ValueError("not a SHA-256")
    return f"{sha256[:2]}/{sha256[2:4]}/{sha256}"


async def as_kept(sha256: str, pieces: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """Pass a content on; raises StoreError instead of its last piece when it is not what was put."""
    digest, last = hashlib.sha256(), b""
    async with aclosing(pieces):
        async for piece in pieces:
            if last:
                yield last
            digest.update(piece)
            last = piece
    if digest.hexdigest() != sha256:
        raise failed("store_altered")
    yield last


async def on_disk(work: Callable[P, Result], *args: P.args, **kwargs: P.kwargs) -> Result:
    """Do disk work off the event loop; raises StoreError for whatever the disk refuses."""
    try:
        return await asyncio.to_thread(work, *args, **kwargs)
    except OSError as error:
        raise failed(ON_DISK.get(error.errno, "store_unreachable")) from None


@asynccontextmanager
async def answering(within: float) -> AsyncIterator[None]:
    """Give a bucket so many seconds; raises FileNotFoundError for a content it does not have, StoreError otherwise."""
    try:
        async with asyncio.timeout(within):
            yield
    except (BaseError, OSError) as error:
        if isinstance(error, FileNotFoundError) and NO_SUCH_KEY in str(error):
            raise FileNotFoundError("no such content") from None
        raise failed(next(code for kind, code in IN_BUCKET.items() if isinstance(error, kind))) from None


def failed(code: str) -> StoreError:
    """Make the error, and tell the log why: front ends are told nothing of it."""
    log.warning("the store of attachments fails", code=code)
    return StoreError(code)


def sync(path: Path) -> None:
    """Push a file or a folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

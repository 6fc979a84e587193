"""Attachments: received in a stream, told by their bytes, kept in a store, given back under a safe name."""

from __future__ import annotations

import hashlib
import mmap
import os
import re
import secrets
import unicodedata
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final
from urllib.parse import quote

from hub.problems import Problem, ProblemType
from hub.stores import PIECE, Store, on_disk
from hub.trailers import is_trailer

LARGEST_FILE: Final = 10 * 1024 * 1024
MOST_PIXELS: Final = 100_000_000
LONGEST_NAME: Final = 100

MOST_PARTS: Final = 20_000
"""More segments or chunks than any camera or scanner writes in ten megabytes."""

PNG_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
JPEG_START: Final = b"\xff\xd8\xff"
JPEG_END: Final = 0xD9
JPEG_MARKER: Final = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]", re.DOTALL)
"""A marker that is neither stuffing nor a restart, ITU-T T.81 table B.1."""

JPEG_SIZES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""The markers of a frame header: SOF0 to SOF15."""

FORBIDDEN_IN_NAMES: Final = re.compile(r'[<>:"|?*;\s]+')
HIDDEN: Final = frozenset({"Cc", "Cf", "Co", "Cs"})
"""Unicode categories that show nothing: controls, direction marks, private use, surrogates."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A file the store holds: its safe name, what it really is, its size in bytes, its SHA-256 in hex."""

    name: str
    media_type: str
    size: int
    sha256: str


Scan = Callable[[Path], Awaitable[None]]
"""Looks at a file before it is kept; raises what `receive` then does."""


async def unscanned(_file: Path) -> None:
    """Let every file through: this installation has no scanner."""


async def receive(stream: AsyncIterator[bytes], declared_name: str, store: Store, scan: Scan = unscanned) -> Stored:
    """Receive a file and keep it, or keep nothing of it.

    Raises Problem 413 beyond 10 MB, 415 when the bytes are no JPEG, PNG or PDF or not what the name says,
    422 when the file is empty, truncated, hides something after its end, or is too large an image; StoreError when
    it cannot be kept. What a phone wrote after a photograph's end is cut off: size and digest are of what is kept.
    """
    name = safe_name(declared_name)
    announced = MEDIA_TYPES.get(Path(name).suffix.lower())
    if announced is None:
        raise _not_admitted()
    arrival = store.arrivals / secrets.token_hex(16)
    try:
        size, sha256 = await _write(stream, arrival, announced)
        await scan(arrival)
        await store.put(arrival, sha256)
    except BaseException:
        await on_disk(arrival.unlink, missing_ok=True)
        raise
    return Stored(name, announced, size, sha256)


def recognize(path: Path) -> str:
    """Tell a file's media type by its bytes and check that it is whole; raises Problem 415 or 422."""
    return examine(path)[0]


def examine(path: Path) -> tuple[str, int]:
    """Tell a file's media type by its bytes, and how many of them are the file; raises Problem 415 or 422."""
    if path.stat().st_size == 0:
        raise _refused("Le fichier est vide.")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        for signature, (media_type, check) in KINDS.items():
            if content[: len(signature)] == signature:
                return media_type, check(content)
    raise _not_admitted()


def safe_name(declared: str) -> str:
    """Make a download name of what a caller said: no folder, nothing invisible, at most 100 characters."""
    shown = "".join(
        character
        for character in unicodedata.normalize("NFC", re.split(r"[/\\]", declared)[-1])
        if unicodedata.category(character) not in HIDDEN or character.isspace()
    )
    name = FORBIDDEN_IN_NAMES.sub("_", shown.strip()).lstrip("._") or "fichier"
    stem, suffix = os.path.splitext(name)  # noqa: PTH122  # a name, not a path
    return stem[: LONGEST_NAME - len(suffix)] + suffix if len(suffix) < LONGEST_NAME else name[:LONGEST_NAME]


def content_disposition(name: str) -> str:
    """Write the header that makes a browser save a file under `name` (RFC 6266), in ASCII and in UTF-8."""
    safe = safe_name(name)
    plain = unicodedata.normalize("NFKD", safe).encode("ascii", "ignore").decode().lstrip(".") or "fichier"
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(safe, safe='')}"


async def _write(stream: AsyncIterator[bytes], arrival: Path, announced: str) -> tuple[int, str]:
    """Write aside what is of the announced type; give its size and its SHA-256. Most files take one visit to the disk.

    Raises Problem 413, 415 or 422.
    """
    size, digest, waiting = 0, hashlib.sha256(), bytearray()
    async for piece in stream:
        size += len(piece)
        if size > LARGEST_FILE:
            raise Problem(ProblemType.TOO_LARGE, "Un fichier pèse au plus 10 Mo.")
        digest.update(piece)
        waiting += piece
        if len(waiting) >= PIECE:
            await on_disk(_append, arrival, bytes(waiting))
            waiting.clear()
    end = await on_disk(_finish, arrival, bytes(waiting), announced)
    return end, await on_disk(_cut, arrival, end) if end < size else digest.hexdigest()


def _append(arrival: Path, content: bytes) -> None:
    with arrival.open("ab") as file:
        file.write(content)


def _finish(arrival: Path, content: bytes, announced: str) -> int:
    """Write the last of a file, look at it, and say where it ends; raises Problem 415 or 422."""
    _append(arrival, content)
    media_type, end = examine(arrival)
    if media_type != announced:
        raise _not_admitted()
    return end


def _cut(arrival: Path, end: int) -> str:
    """Cut a file off at its end, and give the SHA-256 of what is left."""
    os.truncate(arrival, end)
    with arrival.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_pdf(content: mmap.mmap) -> int:
    end = content.rfind(b"%%EOF", max(0, len(content) - 1024))
    if end < 0:
        raise _damaged()
    if content[end + 5 :].strip(b"\0\t\n\f\r "):
        raise _hiding()
    return len(content)


def _check_png(content: mmap.mmap) -> int:
    """Walk the chunks (ISO/IEC 15948 §5.3): length, type, content, CRC, from IHDR to IEND."""
    position = len(PNG_SIGNATURE)
    if content[position + 4 : position + 8] != b"IHDR":
        raise _damaged()
    _check_pixels(content[position + 8 : position + 12], content[position + 12 : position + 16])
    for _ in range(MOST_PARTS):
        ends = content[position + 4 : position + 8] == b"IEND"
        position += 12 + int.from_bytes(content[position : position + 4], "big")
        if ends or position >= len(content):
            return _check_end(content, position if ends else len(content) + 1)
    raise _damaged()


def _check_jpeg(content: mmap.mmap) -> int:
    """Walk the image, and those that phones put after it (previews, HDR gain maps).

    Nothing else may follow but what a phone's maker writes there, which is no part of the file: it may be a film with
    sound, or hold anything, and so it is never kept.
    """
    end, sized = 0, False
    for marker, position in islice(_jpeg_markers(content), MOST_PARTS):
        if marker in JPEG_SIZES:
            _check_pixels(content[position + 5 : position + 7], content[position + 3 : position + 5])
            sized = True
        end = position
    if not sized:
        raise _damaged()
    return end if end < len(content) and is_trailer(content, end) else _check_end(content, end)


def _jpeg_markers(content: mmap.mmap) -> Iterator[tuple[int, int]]:
    """Give each marker and where its content starts, up to the last image's end (ITU-T T.81 annex B)."""
    position = 2
    while found := JPEG_MARKER.search(content, position):
        marker, position = found[0][1], found.end()
        yield marker, position
        if marker != JPEG_END:
            position += int.from_bytes(content[position : position + 2], "big")
        elif content[position : position + 3] == JPEG_START:
            position += 2
        else:
            return
    raise _damaged()


def _check_pixels(width: bytes, height: bytes) -> None:
    if not 0 < int.from_bytes(width, "big") * int.from_bytes(height, "big") <= MOST_PIXELS:
        raise _refused("L'image compte plus de 100 millions de pixels, ou aucun.")


def _check_end(content: mmap.mmap, end: int) -> int:
    if end > len(content):
        raise _damaged()
    if end < len(content):
        raise _hiding()
    return end


def _not_admitted() -> Problem:
    return Problem(
        ProblemType.UNSUPPORTED_MEDIA_TYPE,
        "Seuls sont admis les fichiers jpg, jpeg, png et pdf qui sont bien ce que dit leur nom.",
    )


def _refused(reason: str) -> Problem:
    return Problem(ProblemType.FILE_REFUSED, reason)


def _damaged() -> Problem:
    return _refused("Le fichier est incomplet ou abîmé.")


def _hiding() -> Problem:
    return _refused("Le fichier contient des données après sa fin.")


KINDS: Final[Mapping[bytes, tuple[str, Callable[[mmap.mmap], int]]]] = {
    b"%PDF-": ("application/pdf", _check_pdf),
    PNG_SIGNATURE: ("image/png", _check_png),
    JPEG_START: ("image/jpeg", _check_jpeg),
}
"""How each admitted type starts, and what makes it whole and says where it ends."""

MEDIA_TYPES: Final[Mapping[str, str]] = {
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
}

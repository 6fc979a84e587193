"""What phones write after a photograph's end, told by its structure: nobody means to hand it in, so it is cut off."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator
from typing import Final

MOST_BLOCKS: Final = 1_000
"""More blocks or boxes than any phone writes."""

DIRECTORY: Final = 12
"""Bytes that Samsung's directory begins with, and bytes of each of its entries."""


def is_trailer(content: mmap.mmap, start: int) -> bool:
    """Say whether all that stands from `start` on is one of TRAILERS."""
    return any(whole(content, start) for whole in TRAILERS)


def _is_samsung(content: mmap.mmap, start: int) -> bool:
    """Read a trailer from its end, as its makers do: SEFT, the directory's length, the directory, its blocks.

    Each entry names a block's sort, how far before the directory it lies, and how long it is; a block begins with two
    zeros and its sort.
    """
    length = _little(content, len(content) - 8, 4)
    directory = len(content) - 8 - length
    count = _little(content, directory + 8, 4) if start <= directory else 0
    if content[-4:] != b"SEFT" or content[directory : directory + 4] != b"SEFH":
        return False
    if not 0 < count <= MOST_BLOCKS or DIRECTORY * (1 + count) > length:
        return False
    entries = range(directory + DIRECTORY, directory + DIRECTORY * (1 + count), DIRECTORY)
    return all(_is_block(content, entry, directory, start) for entry in entries)


def _is_block(content: mmap.mmap, entry: int, directory: int, start: int) -> bool:
    sort = content[entry + 2 : entry + 4]
    back, size = _little(content, entry + 4, 4), _little(content, entry + 8, 4)
    block = directory - back
    return start <= block and 8 <= size <= back and content[block : block + 4] == b"\0\0" + sort


def _is_film(content: mmap.mmap, start: int) -> bool:
    """Walk the boxes of a film (ISO/IEC 14496-12 §4.2), from `ftyp` to the very end of the file."""
    if content[start + 4 : start + 8] != b"ftyp":
        return False
    *_, end = _boxes(content, start)
    return end == len(content)


def _boxes(content: mmap.mmap, position: int) -> Iterator[int]:
    """Give where each box ends; -1 for one that cannot be, or when there are too many."""
    for _ in range(MOST_BLOCKS):
        size = int.from_bytes(content[position : position + 4], "big")
        if size == 1:
            size = int.from_bytes(content[position + 8 : position + 16], "big")
        if size < 8 or not content[position + 4 : position + 8].isascii():
            break
        position += size
        yield position
        if position >= len(content):
            return
    yield -1


def _little(content: mmap.mmap, position: int, size: int) -> int:
    return int.from_bytes(content[max(position, 0) : max(position + size, 0)], "little")


TRAILERS: Final[tuple[Callable[[mmap.mmap, int], bool], ...]] = (_is_samsung, _is_film)
"""Samsung's (SEFH … SEFT), and the film of a « motion photo »."""

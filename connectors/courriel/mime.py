"""A message as bytes (RFC 5322, 2045 to 2047, 2231). No I/O.

The library's own writer parses each header that it is given, so as to fold it: 1.3 ms a message, where these
lines take 0.03. Its parser reads in the tests what is written here.
"""

from __future__ import annotations

from binascii import b2a_base64, b2a_qp
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.policy import SMTP
from functools import lru_cache
from typing import Final
from urllib.parse import quote

SHORT: Final = 76
"""Characters of a header's line."""

IN_A_WORD: Final = 45
"""Bytes that an encoded word holds, 75 characters long at most (RFC 2047 §2)."""

IN_A_SECTION: Final = 20
"""Characters of one section of a file's name: twelve signs each at most."""

IN_A_LINE: Final = 57
"""Bytes that make a line of 76 in base64."""

BOUNDARY: Final = "=_piece"
"""Neither quoted-printable nor base64 ever writes `=_`: what lies between cannot hold it."""

TEXT: Final = b'Content-Type: text/plain; charset="utf-8"\r\nContent-Transfer-Encoding: quoted-printable\r\n'
MIXED: Final = f'Content-Type: multipart/mixed; boundary="{BOUNDARY}"\r\n'.encode()


@dataclass(frozen=True, slots=True)
class Message:
    """Headers, a text, and the files beside it, each as it is written."""

    headers: Sequence[str]
    text: str
    files: list[bytes] = field(default_factory=list)

    def attach(self, name: str, media_type: str, content: bytes) -> None:
        """Add a file; its name holds no quote and no control character."""
        self.files.append(_file(name, media_type, content))

    def as_bytes(self) -> bytes:
        """Write it, with CRLF line ends."""
        opening = "".join([f"{header}\r\n" for header in self.headers]).encode("ascii") + b"MIME-Version: 1.0\r\n"
        text = TEXT + b"\r\n" + _quoted(self.text)
        if not self.files:
            return opening + text
        start = f"--{BOUNDARY}\r\n".encode()
        parts = b"\r\n".join([start + part for part in (text, *self.files)])
        return opening + MIXED + b"\r\n" + parts + f"\r\n--{BOUNDARY}--\r\n".encode()


@lru_cache
def sender(name: str, address: str) -> str:
    """Write who it is from: the same for every message, so the library may take its time."""
    return str(SMTP.header_factory("From", Address(name, addr_spec=address)).fold(policy=SMTP)).rstrip("\r\n")


def addresses(name: str, given: Sequence[str]) -> str:
    """Write a header of bare ASCII addresses, one a line where they are many."""
    together = f"{name}: {', '.join(given)}"
    return together if len(together) <= SHORT else f"{name}: " + ",\r\n ".join(given)


def words(name: str, text: str) -> str:
    """Write a header of anybody's printable words; what could be read as something else is encoded."""
    plain = f"{name}: {text}"
    if text.isascii() and len(plain) <= SHORT and "=?" not in text:
        return plain
    encoded = (b2a_base64(piece, newline=False).decode() for piece in _pieces(text.encode(), IN_A_WORD))
    return f"{name}: " + "\r\n ".join([f"=?utf-8?b?{word}?=" for word in encoded])


def _pieces(text: bytes, most: int) -> Iterator[bytes]:
    """Cut UTF-8 between characters."""
    start = 0
    while start < len(text):
        end = start + most
        while end < len(text) and text[end] & 0xC0 == 0x80:
            end -= 1
        yield text[start:end]
        start = end


def _quoted(text: str) -> bytes:
    lines = b"\r\n".join(text.encode().splitlines()) + b"\r\n"
    return b2a_qp(lines, istext=True)


def _file(name: str, media_type: str, content: bytes) -> bytes:
    lines = [b2a_base64(content[at : at + IN_A_LINE], newline=False) for at in range(0, len(content), IN_A_LINE)]
    header = (
        f"Content-Type: {media_type}\r\n"
        "Content-Transfer-Encoding: base64\r\n"
        f"Content-Disposition: attachment;\r\n {_named(name)}\r\n\r\n"
    )
    return header.encode("ascii") + b"\r\n".join(lines)


def _named(name: str) -> str:
    """Write a file's name as a parameter, in sections when it is not ASCII (RFC 2231 §3, §4)."""
    if name.isascii():
        return f'filename="{name}"'
    sections = [quote(name[at : at + IN_A_SECTION], safe="") for at in range(0, len(name), IN_A_SECTION)]
    sections[0] = f"utf-8''{sections[0]}"
    return ";\r\n ".join([f"filename*{number}*={section}" for number, section in enumerate(sections)])

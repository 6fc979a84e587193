"""Tiny files that are whole and valid: what citizens join to a request, and nothing personal in them."""

from __future__ import annotations

import random
import struct
import zlib
from base64 import b64decode
from dataclasses import dataclass
from typing import Final

PNG_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"

JPEG: Final = b64decode(
    "/9j/4AAQSkZJRgABAQEAYABgAAD/2wBDAAgGBgcGBQgHBwcJCQgKDBQNDAsLDBkSEw8UHRofHh0aHBwgJC4nICIsIxwcKDcpLDAxNDQ0Hyc5"
    "PTgyPC4zNDL/wAALCAABAAEBAREA/8QAFAABAAAAAAAAAAAAAAAAAAAACf/EABQQAQAAAAAAAAAAAAAAAAAAAAD/2gAIAQEAAD8AVN//2Q=="
)
"""One white pixel."""


@dataclass(frozen=True, slots=True)
class Paper:
    """A file to join: its name, its media type, its bytes."""

    name: str
    media_type: str
    content: bytes


def draw_paper(chance: random.Random) -> Paper:
    """Draw a paper such as citizens scan or photograph."""
    return chance.choice(
        [
            Paper("justificatif-de-domicile.pdf", "application/pdf", write_pdf("Justificatif de domicile (fictif)")),
            Paper("attestation-assurance.pdf", "application/pdf", write_pdf("Attestation d'assurance (fictive)")),
            Paper("carte-identite.png", "image/png", write_png(chance.randrange(256))),
            Paper("photo.jpg", "image/jpeg", JPEG),
        ]
    )


def write_pdf(text: str) -> bytes:
    """Write a PDF of one small page that bears one line, in Latin-1 (ISO 32000-1 §7.5)."""
    drawing = f"BT /F1 12 Tf 20 60 Td ({text.replace('(', '[').replace(')', ']')}) Tj ET".encode("latin-1")
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 120]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(drawing), drawing),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>",
    ]
    document, offsets = bytearray(b"%PDF-1.4\n"), []
    for number, content in enumerate(objects, 1):
        offsets.append(len(document))
        document += b"%d 0 obj%s endobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    start = len(document)
    size = len(objects) + 1
    document += b"xref\n0 %d\n0000000000 65535 f \n%s" % (size, table)
    document += b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (size, start)
    return bytes(document)


def write_png(grey: int) -> bytes:
    """Write a PNG of one pixel, from black (0) to white (255)."""
    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes([0, grey]))), (b"IEND", b"")]
    return PNG_SIGNATURE + b"".join(_chunk(name, content) for name, content in parts)


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

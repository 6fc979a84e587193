"""Files that phones, scanners and others make, and what is hidden in them."""

import io
import struct
import zipfile
import zlib

PDF = b"%PDF-1.7\n1 0 obj <<>> endobj\ntrailer <<>>\n%%EOF\r\n"
PNG = b"\x89PNG\r\n\x1a\n"
SCRIPT = b"<script>alert(1)</script>"


def chunk(kind, content):
    """Write a chunk of a PNG."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width=2, height=1, pixels=b"\0\0\0"):
    """Write a PNG that says it has so many pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return PNG + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")


def jpeg(width=2, height=1, comment=b""):
    """Write a JPEG of one scan."""
    said = b"\xff\xfe" + struct.pack(">H", 2 + len(comment)) + comment if comment else b""
    frame = b"\xff\xc0" + struct.pack(">HBHHB", 11, 8, height, width, 1) + b"\x01\x11\0"
    scan = b"\xff\xda" + struct.pack(">HB", 8, 1) + b"\x01\0\0\x3f\0" + b"\x12\xff\x00\x34\xff\xd0\x56"
    return b"\xff\xd8" + said + frame + scan + b"\xff\xd9"


def samsung(**blocks):
    """Write what Samsung's telephones put after a photograph: blocks, their directory, and where it begins."""
    written, entries = b"", []
    for number, (name, content) in enumerate(blocks.items(), 0xA01):
        block = b"\0\0" + struct.pack("<HI", number, len(name)) + name.encode() + content
        entries.append((number, len(written), len(block)))
        written += block
    said = [b"\0\0" + struct.pack("<HII", number, len(written) - at, size) for number, at, size in entries]
    directory = b"SEFH" + struct.pack("<II", 107, len(said)) + b"".join(said)
    return written + directory + struct.pack("<I", len(directory)) + b"SEFT"


def film(sound=b"\0" * 5_000):
    """Write the film of a « motion photo »: a few boxes."""
    return struct.pack(">I", 16) + b"ftypmp42\0\0\0\0" + struct.pack(">IIQ", 1, 0x6D646174, 16 + len(sound)) + sound


def archive(comment=b""):
    """Write a zip."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as opened:
        opened.writestr("a.html", SCRIPT)
        opened.comment = comment
    return made.getvalue()

"""A PDF of one page, written by hand: the sandbox's invoices are documents that any reader opens."""

from __future__ import annotations

from collections.abc import Iterable

FONT = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"
PAGE = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /Font << /F1 4 0 R >> >> /Contents 5 0 R >>"


def write_pdf(lines: Iterable[str]) -> bytes:
    """Write lines of text on an A4 page (PDF 1.4), in the order of reading."""
    drawn = b"\n".join(b"(%s) Tj T*" % escape(line) for line in lines)
    content = b"BT /F1 12 Tf 18 TL 72 760 Td\n%s\nET" % drawn
    objects = (
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        PAGE,
        FONT,
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
    )
    return assemble(objects)


def assemble(objects: Iterable[bytes]) -> bytes:
    """Give each object of a document its number, and write the table of where each begins."""
    document, offsets = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"), []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(document))
        document += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    count = len(offsets) + 1
    end = b"xref\n0 %d\n0000000000 65535 f \n%strailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n"
    return bytes(document) + end % (count, table, count, len(document))


def escape(line: str) -> bytes:
    """Write a line as a PDF string, in the letters of Windows' western code page."""
    text = line.encode("cp1252", "replace")
    return text.replace(b"\\", rb"\\").replace(b"(", rb"\(").replace(b")", rb"\)")

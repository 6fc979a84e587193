"""What an attachment must be to be kept, and what is left of it when it is not."""

import asyncio
import hashlib
import os
import struct
import time
import zlib
from io import BytesIO
from zipfile import ZipFile

import pytest

from hub.files import Stored, content_disposition, receive, safe_name
from hub.problems import Problem
from hub.stores import FolderStore

PDF = b"%PDF-1.7\n1 0 obj <<>> endobj\ntrailer <<>>\n%%EOF\r\n"
SCRIPT = b"<script>alert(1)</script>"


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width=2, height=1):
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    pixels = zlib.compress(b"\0\0\0")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def jpeg(width=2, height=1, scan=b"\x12\xff\x00\x34\xff\xd0\x56"):
    preview = b"\xff\xe1" + struct.pack(">H", 12) + b"Exif\0\0\xff\xd9\xff\xc0"  # a thumbnail's markers
    frame = b"\xff\xc0" + struct.pack(">HBHHB", 11, 8, height, width, 1) + b"\x01\x11\0"
    start = b"\xff\xda" + struct.pack(">HB", 8, 1) + b"\x01\0\0\x3f\0"
    return b"\xff\xd8" + preview + frame + start + scan + b"\xff\xd9"


def zipped():
    archive = BytesIO()
    with ZipFile(archive, "w") as writer:
        writer.writestr("a.txt", "a")
    return archive.getvalue()


def zip_ending_like_a_jpeg():
    archive = BytesIO(zipped())
    with ZipFile(archive, "a") as writer:
        writer.comment = b"\xff\xd9"
    return archive.getvalue()


async def pieces(content, size=7_000):
    for start in range(0, len(content), size):
        yield content[start : start + size]


@pytest.fixture
def store(tmp_path):
    return FolderStore(tmp_path)


def kept(store):
    """List every file under the store, arrivals included."""
    return [path for path in store.arrivals.parent.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("name", "content", "media_type"),
    [
        ("avis.pdf", PDF, "application/pdf"),
        ("AVIS.PDF", PDF.rstrip() + b"\0\n", "application/pdf"),
        ("plan.png", png(), "image/png"),
        ("photo.jpg", jpeg(), "image/jpeg"),
        ("photo.jpeg", jpeg(scan=b"\xff\xff\xc4\x00\x03\x00\x12"), "image/jpeg"),
        ("photo d'un téléphone récent.jpg", jpeg() + jpeg(1, 1), "image/jpeg"),
    ],
)
async def test_a_sound_file_is_kept_under_its_digest(store, name, content, media_type):
    stored = await receive(pieces(content), name, store)
    digest = hashlib.sha256(content).hexdigest()
    assert stored == Stored(safe_name(name), media_type, len(content), digest)
    assert [str(path.relative_to(store.arrivals.parent)) for path in kept(store)] == [
        f"{digest[:2]}/{digest[2:4]}/{digest}"
    ]
    assert b"".join([piece async for piece in store.open(digest)]) == content


REFUSED = {
    "a program called pdf": ("a.pdf", b"MZ\x90\0" + PDF, 415),
    "a pdf at an offset": ("a.pdf", b"\n" + PDF, 415),
    "a pdf called png": ("a.png", PDF, 415),
    "a png called jpg": ("a.jpg", png(), 415),
    "a program by its name": ("a.exe", PDF, 415),
    "no extension": ("pdf", PDF, 415),
    "a second extension": ("a.pdf.html", PDF, 415),
    "an archive": ("a.pdf", zipped(), 415),
    "nothing": ("a.pdf", b"", 422),
    "a pdf without its end": ("a.pdf", PDF[:-8], 422),
    "a pdf whose end is far from the end": ("a.pdf", PDF + b" " * 2000, 422),
    "a pdf with an archive behind": ("a.pdf", PDF + zipped(), 422),
    "a pdf with a script behind": ("a.pdf", PDF + SCRIPT, 422),
    "half a png": ("a.png", png()[:40], 422),
    "a png without its end": ("a.png", png()[:-12], 422),
    "a png cut in its end": ("a.png", png()[:-1], 422),
    "a png signature alone": ("a.png", png()[:8], 422),
    "a png with a script behind": ("a.png", png() + SCRIPT, 422),
    "a png with a script between two ends": ("a.png", png() + SCRIPT + png()[-12:], 422),
    "a png of 60,000² pixels": ("a.png", png(60_000, 60_000), 422),
    "a png of no pixel": ("a.png", png(0, 1), 422),
    "half a jpeg": ("a.jpg", jpeg()[:-4], 422),
    "a jpeg without an image": ("a.jpg", b"\xff\xd8\xff\xd9", 422),
    "a jpeg start alone": ("a.jpg", b"\xff\xd8\xff", 422),
    "a jpeg with an archive behind": ("a.jpg", jpeg() + zipped(), 422),
    "a jpeg with an archive that ends like a jpeg": ("a.jpg", jpeg() + zip_ending_like_a_jpeg(), 422),
    "a jpeg of 60,000² pixels": ("a.jpg", jpeg(60_000, 60_000), 422),
    "a jpeg of a million segments": ("a.jpg", jpeg(scan=b"\xff\xc4\0\2" * 1_000_000), 422),
    "a jpeg of nothing but filling": ("a.jpg", b"\xff\xd8" + b"\xff" * 9_000_000, 422),
    "a png of a hundred thousand chunks": ("a.png", png()[:-12] + chunk(b"tEXt", b"") * 100_000 + png()[-12:], 422),
    "more than ten megabytes": ("a.pdf", PDF.ljust(10 * 1024 * 1024 + 1), 413),
}


@pytest.mark.parametrize(("name", "content", "status"), REFUSED.values(), ids=REFUSED)
async def test_of_a_bad_file_nothing_is_kept_and_the_reason_is_said(store, name, content, status):
    with pytest.raises(Problem) as caught:
        await receive(pieces(content, 300_000), name, store)
    assert caught.value.kind.status == status
    assert caught.value.detail
    assert kept(store) == []


async def test_a_file_of_exactly_ten_megabytes_is_kept(store):
    content = PDF[:20] + b" " * (10 * 1024 * 1024 - len(PDF)) + PDF[20:]
    assert (await receive(pieces(content, 300_000), "a.pdf", store)).size == 10 * 1024 * 1024


async def test_an_endless_upload_is_cut_at_the_limit(store):
    read = 0

    async def endless():
        nonlocal read
        for _ in range(1_000):
            read += 65_536
            yield b"\0" * 65_536

    with pytest.raises(Problem, match="too-large"):
        await receive(endless(), "a.pdf", store)
    assert read <= 10 * 1024 * 1024 + 65_536
    assert kept(store) == []


async def test_an_upload_that_breaks_off_leaves_nothing(store):
    async def broken():
        yield PDF[:10]
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await receive(broken(), "a.pdf", store)
    assert kept(store) == []


async def test_an_upload_that_is_given_up_leaves_nothing(store):
    begun = asyncio.Event()

    async def hanging():
        yield PDF[:10]
        begun.set()
        await asyncio.Event().wait()

    upload = asyncio.create_task(receive(hanging(), "a.pdf", store))
    await begun.wait()
    upload.cancel()
    with pytest.raises(asyncio.CancelledError):
        await upload
    assert kept(store) == []


async def test_the_same_content_is_kept_once_however_often_and_however_fast_it_comes(store):
    uploads = [receive(pieces(PDF), f"{n}.pdf", store) for n in range(8)]
    assert len({stored.sha256 for stored in await asyncio.gather(*uploads)}) == 1
    assert len(kept(store)) == 1


async def test_what_is_deleted_is_gone_and_may_be_deleted_again(store):
    stored = await receive(pieces(PDF), "a.pdf", store)
    assert await store.exists(stored.sha256)
    await store.delete(stored.sha256)
    await store.delete(stored.sha256)
    assert not await store.exists(stored.sha256)
    with pytest.raises(FileNotFoundError):
        await anext(store.open(stored.sha256))


@pytest.mark.parametrize("digest", ["", "../../etc/passwd", "A" * 64, "0" * 63, "0" * 64 + "\n"])
async def test_only_a_digest_leads_to_a_file(store, digest):
    with pytest.raises(ValueError, match="not a SHA-256"):
        await store.exists(digest)


async def test_what_a_dead_process_left_half_received_is_removed_at_the_next_start(store):
    old, fresh = store.arrivals / "old", store.arrivals / "fresh"
    for arrival in (old, fresh):
        arrival.write_bytes(b"half")
    os.utime(old, (time.time() - 7200, time.time() - 7200))
    FolderStore(store.arrivals.parent)
    assert kept(store) == [fresh]


@pytest.mark.parametrize(
    ("declared", "safe"),
    [
        ("avis d'imposition 2025.pdf", "avis_d'imposition_2025.pdf"),
        ("../../etc/passwd", "passwd"),
        ("..\\..\\C:\\boot.pdf", "boot.pdf"),
        ("..", "fichier"),
        ("", "fichier"),
        ("a\0b.pdf", "ab.pdf"),
        ('a"; filename="b.exe\r\nX-Evil: 1.pdf', "a_filename=_b.exe_X-Evil_1.pdf"),
        ("facture\u202efdp.exe", "facturefdp.exe"),
        ("\ud800photo.png", "photo.png"),
        (".htaccess", "htaccess"),
        ("e\u0301cole.pdf", "école.pdf"),
        ("x" * 1000 + ".pdf", "x" * 96 + ".pdf"),
        ("a." + "x" * 1000, "a." + "x" * 98),
    ],
)
def test_a_name_is_only_ever_shown_and_shows_nothing_dangerous(declared, safe):
    assert safe_name(declared) == safe


async def test_whatever_its_name_a_file_stays_in_the_store(store, tmp_path):
    stored = await receive(pieces(PDF), "../../\0x\r\n.pdf", store)
    assert stored.name == "x_.pdf"
    assert kept(store) == [tmp_path / stored.sha256[:2] / stored.sha256[2:4] / stored.sha256]


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("plan.png", "attachment; filename=\"plan.png\"; filename*=UTF-8''plan.png"),
        (
            "reçu d'école.pdf",
            "attachment; filename=\"recu_d'ecole.pdf\"; filename*=UTF-8''re%C3%A7u_d%27%C3%A9cole.pdf",
        ),
        ("日本.pdf", "attachment; filename=\"pdf\"; filename*=UTF-8''%E6%97%A5%E6%9C%AC.pdf"),
        ('a"\r\nSet-Cookie: b', "attachment; filename=\"a_Set-Cookie_b\"; filename*=UTF-8''a_Set-Cookie_b"),
    ],
)
def test_a_download_header_is_one_ascii_line_that_keeps_the_name(name, header):
    assert content_disposition(name) == header
    assert header.isascii()
    assert header.isprintable()

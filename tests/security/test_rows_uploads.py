"""Uploads: a file is what it says and no more, or nothing of it is kept; its name does no harm."""

import asyncio
import hashlib
import io
import re
import resource
import socket
import zipfile
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import text

from hub.app import open_hub
from hub.files import receive
from hub.logs import FIELDS
from hub.problems import Problem
from hub.scanner import Scanner, ScannerError, scan_by
from hub.stores import FolderStore
from tests.security.clamd import EICAR, NAME
from tests.security.files import PDF, PNG, SCRIPT, archive, chunk, film, jpeg, png, samsung

TOO_MUCH = 10 * 1024 * 1024 + 1

REFUSED = {
    "a program called pdf": ("a.pdf", b"MZ\x90\0" + PDF, 415),
    "a pdf at an offset": ("a.pdf", b"\0" * 1024 + PDF, 415),
    "a jpeg with an archive": ("a.jpg", jpeg() + archive(), 422),
    "a jpeg with an archive that ends like a jpeg": ("a.jpg", jpeg() + archive(b"\xff\xd9"), 422),
    "a jpeg with an archive that ends like Samsung's": ("a.jpg", jpeg() + archive(b"SEFT"), 422),
    "a jpeg with an archive between it and Samsung's": ("a.jpg", jpeg() + archive() + samsung()[:-4] + b"SEFT", 422),
    "a jpeg with an archive after Samsung's": ("a.jpg", jpeg() + samsung(a=b"1") + archive(), 422),
    "a jpeg with an archive after a film": ("a.jpg", jpeg() + film() + archive(), 422),
    "a jpeg whose directory lies": ("a.jpg", jpeg() + samsung(a=b"1").replace(b"\x01\x0a", b"\x02\x0a", 1), 422),
    "a jpeg whose directory leads before its end": ("a.jpg", jpeg() + samsung(a=b"1")[4:], 422),
    "a jpeg with half a film": ("a.jpg", jpeg() + film()[:-1], 422),
    "a png with a script": ("a.png", png() + SCRIPT, 422),
    "a png with a telephone's trailer": ("a.png", png() + samsung(a=b"1"), 422),
    "a pdf with a film": ("a.pdf", PDF + film(), 422),
    "a truncated pdf": ("a.pdf", PDF[:-8], 422),
    "a truncated png": ("a.png", png()[:-6], 422),
    "a truncated jpeg": ("a.jpg", jpeg()[:-1], 422),
    "nothing": ("a.png", b"", 422),
    "more than ten megabytes": ("a.pdf", PDF.ljust(TOO_MUCH), 413),
    "a png of 60,000² pixels": ("a.png", png(60_000, 60_000), 422),
}


def files_of(opened):
    """List every file under a hub's store."""
    return [path for path in opened.settings.files.rglob("*") if path.is_file()]


@pytest.fixture
async def desk(resting, open_desk):
    """A front end at the door of a hub."""
    return await open_desk(resting)


async def test_a_file_that_is_not_what_it_says_is_refused_with_the_reason_and_not_kept(resting, desk):
    """Row 32."""
    for case, (name, content, status) in REFUSED.items():
        answer = await desk.post("/v1/attachments", params={"name": name}, content=content)
        said = answer.json()
        assert (case, answer.status_code, said["status"], bool(said["detail"])) == (case, status, status, True)
    assert files_of(resting) == []
    assert resting.ledger.look(lambda c: c.scalar(text("SELECT count(*) FROM attachment"))) == 0


async def test_an_image_that_would_not_fit_in_memory_is_refused_by_its_header_alone(desk):
    """Row 32."""
    bomb = PNG + chunk(b"IHDR", png(60_000, 60_000)[16:29]) + chunk(b"IDAT", b"x" * 9_000_000) + png()[-12:]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    answer = await desk.post("/v1/attachments?name=a.png", content=bomb)
    assert (answer.status_code, "pixels" in answer.json()["detail"]) == (422, True)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024


KEPT = {
    "a photograph": (jpeg(), b""),
    "with previews after it": (jpeg() + jpeg(1, 1), b""),
    "with what Samsung writes": (jpeg(), samsung(Image_UTC_Data=b"1764590000", MCC_Data=b"208")),
    "with a film of Samsung's": (jpeg(), samsung(MotionPhoto_Data=film(b"canari" * 500))),
    "with previews and a film": (jpeg() + jpeg(1, 1), film(b"canari" * 500)),
    "with an archive that looks like Samsung's": (jpeg(), samsung(Image_UTC_Data=archive())),
}


async def test_of_a_phone_s_photograph_the_images_alone_are_kept(desk):
    """Row 32: such a trailer may be a film with sound, or anything: what is kept is what was looked at."""
    for case, (image, trailer) in KEPT.items():
        answer = await desk.post("/v1/attachments?name=photo.jpg", content=image + trailer)
        assert (case, answer.status_code) == (case, 201)
        said, back = answer.json(), (await desk.get(answer.headers["location"])).content
        assert (said["size"], said["sha256"]) == (len(image), hashlib.sha256(image).hexdigest())
        assert (back, zipfile.is_zipfile(io.BytesIO(back))) == (image, False)


NAMES = {
    "a path": "../../x.pdf",
    "NUL": "a\0b.pdf",
    "lines": "a\r\nSet-Cookie: a=b.pdf",
    "a thousand characters": "x" * 996 + ".pdf",
    "right to left": "a\u202efdp.\u2067exe\u2069.pdf",
}


async def test_a_file_s_name_is_never_a_path_nor_a_header(resting, desk):
    """Row 33: kept under a digest, given back under a name of RFC 6266 that shows nothing it should not."""
    for name in NAMES.values():
        answer = await desk.post("/v1/attachments", params={"name": name}, content=PDF)
        back = await desk.get(answer.headers["location"])
        shown = back.headers["content-disposition"]
        assert (answer.status_code, back.content) == (201, PDF)
        assert re.fullmatch(r"""attachment; filename="[\w.=-]+"; filename\*=UTF-8''[\w.%-]+""", shown, re.ASCII)
        assert len(shown) < 400
        assert ("set-cookie" in back.headers, back.headers["x-content-type-options"]) == (False, "nosniff")
    folder = resting.settings.files
    assert all(re.fullmatch(r"../../[0-9a-f]{64}", str(file.relative_to(folder))) for file in files_of(resting))


VIRUS = {"a.pdf": PDF[:9] + EICAR + PDF[9:], "a.jpg": jpeg(comment=EICAR)}


async def pieces(content):
    """Send a file in one piece."""
    yield content


def kept(store):
    """List every file under a store."""
    return [path for path in store.arrivals.parent.rglob("*") if path.is_file()]


@asynccontextmanager
async def hub_with(settings, scanner):
    """Open a hub that has its files scanned."""
    async with open_hub(settings.model_copy(update={"scanner": scanner}), serve=False) as opened:
        yield opened


async def test_a_file_that_the_scanner_knows_is_refused_and_a_clean_one_kept(settings, open_desk, clamd, capsys):
    """Row 32, with a real clamd, through the door."""
    async with hub_with(settings, clamd.url) as opened:
        desk = await open_desk(opened)
        for name, content in VIRUS.items():
            answer = await desk.post("/v1/attachments", params={"name": name}, content=content)
            assert (answer.status_code, answer.json()["type"]) == (422, "/problems/file-refused")
            assert "malveillant" in answer.json()["detail"]
        assert files_of(opened) == []
        assert (await desk.post("/v1/attachments?name=b.pdf", content=PDF)).status_code == 201
    said = capsys.readouterr().out
    assert ("infected" in said, NAME in said, "signature" in FIELDS) == (True, True, True)


async def test_at_its_unix_socket_the_scanner_says_the_same(tmp_path, clamd):
    store, scan = FolderStore(tmp_path), scan_by(clamd.socket)
    with pytest.raises(Problem, match="file-refused"):
        await receive(pieces(VIRUS["a.pdf"]), "a.pdf", store, scan)
    assert kept(store) == []
    assert (await receive(pieces(PDF), "a.pdf", store, scan)).size == len(PDF)


async def test_a_file_of_ten_megabytes_is_scanned_whole(tmp_path, clamd):
    filling = TOO_MUCH - 1 - len(PDF) - len(EICAR)
    virus_last = PDF[:9] + b" " * filling + EICAR + PDF[9:]
    with pytest.raises(Problem, match="file-refused"):
        await receive(pieces(virus_last), "a.pdf", FolderStore(tmp_path), scan_by(clamd.url))


async def test_while_the_scanner_is_down_no_file_is_taken_and_requests_without_files_are(settings, open_desk, clamd):
    """Row 32: 503 and when to come again; nothing is ever kept unscanned."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    async with hub_with(settings, f"tcp://127.0.0.1:{port}") as opened:
        desk = await open_desk(opened)
        answer = await desk.post("/v1/attachments?name=a.pdf", content=PDF)
        assert (answer.status_code, answer.json()["type"]) == (503, "/problems/unavailable")
        assert int(answer.headers["retry-after"]) > 0
        assert files_of(opened) == []
        assert (await desk.submit("essai")).status_code == 202


async def silent(_reader, writer):
    """Say nothing, for ever."""
    with pytest.raises(asyncio.CancelledError):
        await asyncio.Event().wait()
    writer.close()


def saying(answer):
    """Listen to a whole file, then say this."""

    async def serve(reader, writer):
        while await reader.read(65_536):
            if answer is not None:
                writer.write(answer)
                break
        writer.close()

    return serve


NO_YES = "scanner_failed|scanner_unreachable"
"""Who answers and hangs up before all was read may cut the line on the answer."""

SILENCES = {
    "a size limit": (saying(b"INSTREAM size limit exceeded. ERROR\0"), NO_YES),
    "an error": (saying(b"stream: Can't allocate memory ERROR\0"), NO_YES),
    "nothing": (saying(b""), NO_YES),
    "noise": (saying(b"\xff\xfe\n"), NO_YES),
    "more than a yes": (saying(b"stream: OK, or not\0"), NO_YES),
    "another protocol": (saying(b"HTTP/1.1 200 OK\r\n\r\n"), NO_YES),
    "silence": (silent, "scanner_timeout"),
}


@pytest.mark.parametrize(("serve", "code"), SILENCES.values(), ids=SILENCES)
async def test_whatever_is_not_a_clear_yes_keeps_nothing(tmp_path, serve, code):
    """Row 32: a clamd that is ill lets nothing through."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    address = f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    store = FolderStore(tmp_path)
    with pytest.raises(ScannerError, match=f"^({code})$"):
        await receive(pieces(PDF), "a.pdf", store, Scanner(address, within=0.5).check)
    assert kept(store) == []
    server.close()

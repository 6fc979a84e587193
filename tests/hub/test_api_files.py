"""Attachments at the door: streamed in, told by their bytes, given back safely and only to their house."""

import hashlib
import struct
import zlib

import pytest
from sqlalchemy import text

from hub.access import Role

PDF = b"%PDF-1.7\n1 0 obj <<>> endobj\ntrailer <<>>\n%%EOF\r\n"
LARGE = 10 * 1024 * 1024


def png(width):
    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, width, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


def pdf_of(size):
    head, tail = PDF.split(b"trailer", 1)
    return head + b"%" * (size - len(PDF)) + b"trailer" + tail


async def pieces(content, size=70_000):
    for start in range(0, len(content), size):
        yield content[start : start + size]


@pytest.fixture
async def desk(resting, open_desk):
    return await open_desk(resting)


WAYS = {
    "by its query": lambda desk: desk.post("/v1/attachments?name=acte.pdf", content=PDF),
    "by its header": lambda desk: desk.post(
        "/v1/attachments", content=PDF, headers={"Content-Disposition": 'attachment; filename="acte.pdf"'}
    ),
    "by its header, encoded": lambda desk: desk.post(
        "/v1/attachments", content=PDF, headers={"Content-Disposition": "attachment; filename*=UTF-8''acte.pdf"}
    ),
    "in a form": lambda desk: desk.post("/v1/attachments", files={"file": ("acte.pdf", PDF)}),
    "in pieces": lambda desk: desk.post("/v1/attachments?name=acte.pdf", content=pieces(PDF, 7)),
}


@pytest.mark.parametrize("send", WAYS.values(), ids=WAYS)
async def test_a_file_comes_in_and_goes_out_again(desk, send):
    answer = await send(desk)
    said = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/v1/attachments/{said.pop('id')}"
    digest = hashlib.sha256(PDF).hexdigest()
    assert said == {"name": "acte.pdf", "media_type": "application/pdf", "size": len(PDF), "sha256": digest}
    back = await desk.get(answer.headers["location"])
    assert (back.content, back.headers["content-type"]) == (PDF, "application/pdf")
    assert back.headers["content-disposition"].startswith('attachment; filename="acte.pdf"')
    assert back.headers["x-content-type-options"] == "nosniff"


async def test_a_name_keeps_its_accents_however_it_is_sent(desk):
    raw = 'attachment; filename="reçu.pdf"'.encode()
    header = await desk.post("/v1/attachments", content=PDF, headers={"Content-Disposition": raw})
    form = await desk.post("/v1/attachments", files={"file": ("reçu.pdf", PDF)})
    assert [header.json()["name"], form.json()["name"]] == ["reçu.pdf", "reçu.pdf"]


async def test_a_file_of_ten_megabytes_is_taken_either_way(desk):
    content = pdf_of(LARGE)
    raw = await desk.post("/v1/attachments?name=a.pdf", content=pieces(content))
    form = await desk.post("/v1/attachments", files={"file": ("a.pdf", content)})
    assert [raw.json()["size"], form.json()["size"]] == [LARGE, LARGE]


async def test_a_name_in_no_charset_is_no_name(desk):
    header = {"Content-Disposition": "attachment; filename*=idna''%FF.pdf"}
    assert (await desk.post("/v1/attachments", content=PDF, headers=header)).status_code == 415


REFUSED = {
    "an executable": ("a.pdf", b"MZ" + b"\0" * 100, 415),
    "a pdf at an offset": ("a.pdf", b"\0\0" + PDF, 415),
    "another name": ("a.png", PDF, 415),
    "no such kind": ("a.exe", PDF, 415),
    "no name": ("", PDF, 415),
    "a script after its end": ("a.pdf", PDF + b"<script>", 422),
    "truncated": ("a.pdf", PDF[:-9], 422),
    "empty": ("a.pdf", b"", 422),
    "60,000 pixels wide": ("a.png", png(60_000), 422),
    "over ten megabytes": ("a.pdf", pdf_of(LARGE + 1), 413),
    "far over ten megabytes": ("a.pdf", pdf_of(2 * LARGE), 413),
}


@pytest.mark.parametrize("form", [False, True], ids=["raw", "form"])
@pytest.mark.parametrize("refused", REFUSED.values(), ids=REFUSED)
async def test_what_is_no_good_file_is_refused_and_not_kept(resting, desk, form, refused):
    name, content, status = refused
    if form:
        answer = await desk.post("/v1/attachments", files={"file": (name or ".", content)})
    else:
        params = {"name": name} if name else {}
        answer = await desk.post("/v1/attachments", params=params, content=pieces(content))
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert not [path for path in resting.settings.files.rglob("*") if path.is_file()]
    assert resting.ledger.look(lambda c: c.scalar(text("SELECT count(*) FROM attachment"))) == 0


async def test_a_length_that_says_too_much_is_refused_before_anything_is_read(desk):
    answer = await desk.post("/v1/attachments?name=a.pdf", content=PDF, headers={"Content-Length": "9" * 30})
    assert answer.status_code == 413


@pytest.mark.parametrize(
    "sent",
    [
        {"files": [("a", ("a.pdf", PDF)), ("b", ("b.pdf", PDF))]},
        {"files": {"a": ("a.pdf", PDF)}, "data": {"kind": "essai"}},
        {"content": b"--x\r\n", "headers": {"Content-Type": "multipart/form-data; boundary=x"}},
        {"content": PDF, "headers": {"Content-Type": "multipart/form-data"}},
        {"content": b"\xff" * 100, "headers": {"Content-Type": "multipart/form-data; boundary=é".encode()}},
        {
            "content": b'--x\r\nContent-Disposition: form-data; name="f"; filename="\xe9.pdf"\r\n\r\n'
            + PDF
            + b"\r\n--x--",
            "headers": {"Content-Type": "multipart/form-data; boundary=x; charset=undefined"},
        },
    ],
    ids=["two files", "a field", "cut", "no boundary", "noise", "no charset"],
)
async def test_a_form_holds_one_file_and_nothing_else(desk, sent):
    answer = await desk.post("/v1/attachments", **sent)
    assert (answer.status_code, answer.json()["type"]) == (400, "/problems/unreadable")


NAMES = {
    "a path": "../../etc/passwd.pdf",
    "windows": r"C:\windows\a.pdf",
    "lines": "a\r\nSet-Cookie: a=b.pdf",
    "NUL": "a\0.pdf",
    "long": "a" * 900 + ".pdf",
    "right to left": "a\u202efdp.pdf",
    "quotes": 'a";b=".pdf',
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
async def test_a_name_can_do_no_harm(desk, name):
    answer = await desk.post("/v1/attachments", params={"name": name}, content=PDF)
    assert answer.status_code == 201
    back = await desk.get(answer.headers["location"])
    shown = back.headers["content-disposition"]
    assert len(answer.json()["name"]) <= 100
    assert not set(shown) & set("\r\n\0/\\\u202e")
    assert shown.count('"') == 2
    assert "set-cookie" not in back.headers


async def test_a_file_is_given_back_to_its_own_house_alone(resting, desk, open_desk):
    address = (await desk.post("/v1/attachments?name=a.pdf", content=PDF)).headers["location"]
    readers = [
        await open_desk(resting, Role.FRONT_END, "publik"),
        await open_desk(resting, Role.OPERATOR, "publik"),
        await open_desk(resting, Role.FRONT_END, "*"),
        await open_desk(resting, Role.OPERATOR, "*"),
    ]
    assert [(await reader.get(address)).status_code for reader in readers] == [404, 404, 404, 200]


async def test_a_file_follows_its_request_and_serves_once(resting, desk, open_desk):
    sent = (await desk.post("/v1/attachments?name=a.pdf", content=PDF)).json()
    number = await desk.submitted("essai", attachments=[sent["id"]])
    assert (await desk.get(f"/v1/requests/{number}")).json()["attachments"] == [sent]
    again = await desk.submit("essai", "k-2", attachments=[sent["id"]])
    assert (again.status_code, again.json()["errors"][0]["pointer"]) == (422, "/attachments/0")
    other_kind = await open_desk(resting, kinds=frozenset({"avis"}))
    assert (await other_kind.get(f"/v1/attachments/{sent['id']}")).status_code == 403

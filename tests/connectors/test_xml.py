"""What another machine writes is read within limits, or not at all."""

from __future__ import annotations

import asyncio
import resource

import pytest

from connectors._transport.xml import MOST_MARKUP, parse
from hub.errors import UncertainError

SECRET = "canari-de-fichier"

BILLION = (
    "<!DOCTYPE a [<!ENTITY l0 'lol'>"
    + "".join(f"<!ENTITY l{n} '{f'&l{n - 1};' * 10}'>" for n in range(1, 10))
    + "]><a>&l9;</a>"
)
QUADRATIC = f"<!DOCTYPE a [<!ENTITY x '{'y' * 50_000}'>]><a>{'&x;' * 30_000}</a>"

HOSTILE = {
    "nothing": b"",
    "not XML": b"<html><p>Maintenance",
    "broken half-way": b"<a><b>1</b>",
    "bytes that are not in the declared encoding": b"<a>\xe9</a>",
    "an encoding nobody knows": b'<?xml version="1.0" encoding="klingon"?><a/>',
    "a document type": b"<!DOCTYPE a><a/>",
    "a document type in UTF-16": "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>".encode("utf-16"),
    "a billion laughs": BILLION.encode(),
    "quadratic growth": QUADRATIC.encode(),
    "growth inside an attribute": BILLION.replace("<a>&l9;</a>", "<a b='&l9;'/>").encode(),
    "an undeclared entity": b"<a>&b;</a>",
    "3000 levels": b"<a>" * 3000 + b"</a>" * 3000,
    "11 MB of text": b"<a>" + b"x" * 11_000_000 + b"</a>",
    "two million elements": b"<a>" + b"<a/>" * 2_000_000 + b"</a>",
    "more elements than a message needs": b"<a>" + b"<a/>" * MOST_MARKUP + b"</a>",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_refuses(text):
    with pytest.raises(UncertainError, match=r"^unreadable$"):
        parse(text)


def test_reads_what_it_should():
    root = parse('<?xml version="1.0" encoding="ISO-8859-1"?><a>é<?php x?><!-- c --></a>'.encode("latin-1"))
    assert (root.text, len(root)) == ("é", 0)


def test_limits_bytes_before_it_parses():
    with pytest.raises(UncertainError):
        parse(b"<a>12345678</a>", limit=10)


@pytest.mark.parametrize(
    "declared",
    ["<!ENTITY x SYSTEM '{file}'>", "<!ENTITY % p SYSTEM '{file}'> %p;"],
    ids=["general", "parameter"],
)
def test_reads_no_file_of_ours(tmp_path, declared):
    secret = tmp_path / "secret"
    secret.write_text(f"<!ENTITY x '{SECRET}'>")
    for address in (secret.as_uri(), str(secret)):
        with pytest.raises(UncertainError) as caught:
            parse(f"<!DOCTYPE a [{declared.format(file=address)}]><a>&x;</a>".encode())
        assert SECRET not in str(caught.value)


async def test_fetches_nothing_from_the_network():
    visits = []
    server = await asyncio.start_server(lambda _, writer: visits.append(writer.close()), "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/x.dtd"
    for text in (
        f"<!DOCTYPE a [<!ENTITY x SYSTEM '{url}'>]><a>&x;</a>",
        f"<!DOCTYPE a [<!ENTITY % p SYSTEM '{url}'> %p;]><a/>",
        f"<!DOCTYPE a SYSTEM '{url}'><a/>",
    ):
        with pytest.raises(UncertainError):
            await asyncio.to_thread(parse, text.encode())
    server.close()
    await server.wait_closed()
    assert visits == []


def test_hostile_messages_take_little_memory():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for text in HOSTILE.values():
        with pytest.raises(UncertainError):
            parse(text)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024

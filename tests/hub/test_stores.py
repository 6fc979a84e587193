"""Where attachments are kept: what a folder and a bucket both promise, and what becomes of both when they fail.

The bucket is on moto's S3 server (moto imitates AWS), over HTTP on a loopback port of its own; no cloud is asked.
"""

import asyncio
import hashlib
import json
import logging
import os
import secrets
import shutil
import time
import traceback
from contextlib import asynccontextmanager
from datetime import timedelta
from importlib import import_module
from pathlib import Path

import httpx
import orjson
import pytest
from sqlalchemy import text

import hub.stores
from connectors.courriel.sandbox import Sandbox as MailServer
from hub.app import open_hub
from hub.connector import Deadline, File, Outbound
from hub.errors import ConfigurationError
from hub.files import receive
from hub.manifest import ErrorTable
from hub.settings import HOME, Bucket, Settings
from hub.stores import S3Store, StoreError, connect, on_disk, open_store

PDF = b"%PDF-1.7\n1 0 obj <<>> endobj\ntrailer <<>>\n%%EOF\r\n"
LARGE = PDF.ljust(700_000, b" ").removesuffix(b" " * 7) + b"%%EOF\r\n"
NOWHERE = "0" * 64
SECRET = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY"
DATE = "Wed, 21 Oct 2026 07:28:00 GMT"
STRICT = {"base": "20ms", "attempts": 1, "breaker_threshold": 1}
"""A policy that forgives its target nothing: what the store does is not the target's fault."""


def sha256(content):
    return hashlib.sha256(content).hexdigest()


async def pieces(content):
    yield content


async def content_of(store, digest):
    return b"".join([piece async for piece in store.open(digest)])


async def put(store, content, digest=None):
    arrival = store.arrivals / secrets.token_hex(16)
    arrival.write_bytes(content)
    await store.put(arrival, digest or sha256(content))
    assert not arrival.exists()
    return digest or sha256(content)


class Moto:
    """moto's server, in a thread of this process; what it holds outlives a stop."""

    def __init__(self):
        from moto.server import ThreadedMotoServer  # here, for it takes long and most tests do without

        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._serve, self._port = ThreadedMotoServer, 0
        self.start()

    def start(self):
        self._server = self._serve("127.0.0.1", self._port, verbose=False)
        self._server.start()
        self._port = self._server.get_host_and_port()[1]

    def stop(self):
        self._server.stop()

    @property
    def url(self):
        return f"http://127.0.0.1:{self._port}"

    def know_nobody(self):
        """Hold every call to its credentials; nobody has any."""
        httpx.post(f"{self.url}/moto-api/reset-auth", content=b"0").raise_for_status()

    def know_everybody(self):
        httpx.post(f"{self.url}/moto-api/reset-auth", content=b"inf").raise_for_status()


@pytest.fixture(scope="module")
def moto():
    server = Moto()
    yield server
    server.stop()


@pytest.fixture
def credentials(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)


@pytest.fixture
def bucket(moto, credentials, tmp_path):
    """A new bucket."""
    name = f"pieces-{secrets.token_hex(8)}"
    httpx.put(f"{moto.url}/{name}").raise_for_status()
    return Bucket(url=f"s3://{name}/ville", endpoint=moto.url, region="fr-par", arrivals=tmp_path / "arrivals")


@pytest.fixture
def impatient(monkeypatch):
    """Wait for no bucket longer than a blink."""
    monkeypatch.setattr(hub.stores, "ANSWERS_WITHIN", 0.2)
    monkeypatch.setattr(hub.stores, "TAKES_WITHIN", 0.2)


def moved(bucket, **elsewhere):
    return Bucket.model_validate({**bucket.model_dump(), **elsewhere})


@asynccontextmanager
async def answering(answer=None):
    """A server that says the same to everybody, or nothing at all."""
    over = asyncio.Event()

    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        if answer is None:
            await over.wait()
        else:
            status, body = answer
            head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nETag: a\r\nLast-Modified: {DATE}\r\n\r\n"
            writer.write(head.encode() + body)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        over.set()


class TestAnyStore:
    """What each store promises."""

    @pytest.fixture(params=["folder", "bucket"])
    def said(self, request, tmp_path):
        return tmp_path / "files" if request.param == "folder" else request.getfixturevalue("bucket")

    @pytest.fixture
    async def store(self, said):
        return await open_store(said)

    async def test_what_was_put_comes_back_in_pieces(self, store):
        digest = await put(store, LARGE)
        came = [piece async for piece in store.open(digest)]
        assert b"".join(came) == LARGE
        assert len(came) > 1

    async def test_what_was_put_is_there_for_every_process_at_once(self, store, said):
        digest = await put(store, PDF)
        assert await content_of(await open_store(said), digest) == PDF

    async def test_a_content_put_again_and_at_once_is_kept(self, store):
        assert set(await asyncio.gather(*(put(store, LARGE) for _ in range(6)))) == {sha256(LARGE)}
        assert await content_of(store, await put(store, LARGE)) == LARGE

    async def test_what_is_not_there_is_not_found(self, store):
        assert not await store.exists(NOWHERE)
        with pytest.raises(FileNotFoundError):
            await anext(store.open(NOWHERE))

    async def test_what_is_deleted_is_gone_and_may_be_deleted_again(self, store):
        digest, other = await put(store, PDF), await put(store, LARGE)
        assert await store.exists(digest)
        await store.delete(digest)
        await store.delete(digest)
        assert [await store.exists(one) for one in (digest, other)] == [False, True]

    async def test_what_is_no_longer_what_was_put_is_not_given_whole(self, store):
        await put(store, LARGE, digest=NOWHERE)
        came = bytearray()

        async def read():
            async for piece in store.open(NOWHERE):
                came.extend(piece)

        with pytest.raises(StoreError, match="store_altered"):
            await read()
        assert 0 < len(came) < len(LARGE)

    @pytest.mark.parametrize("digest", ["", "../../etc/passwd", "A" * 64, "0" * 63])
    async def test_only_a_digest_leads_anywhere(self, store, digest):
        for ask in (store.exists, store.delete, lambda said: anext(store.open(said))):
            with pytest.raises(ValueError, match="not a SHA-256"):
                await ask(digest)

    async def test_what_is_refused_leaves_nothing(self, store):
        with pytest.raises(Exception, match="file-refused"):
            await receive(pieces(PDF[:-9]), "a.pdf", store)
        assert list(store.arrivals.iterdir()) == []

    async def test_what_a_dead_process_left_half_received_is_removed_at_the_next_start(self, store, said):
        old, fresh = store.arrivals / "old", store.arrivals / "fresh"
        for arrival in (old, fresh):
            arrival.write_bytes(b"half")
        os.utime(old, (time.time() - 7200, time.time() - 7200))
        await open_store(said)
        assert list(store.arrivals.iterdir()) == [fresh]


class TestABucket:
    """What only a bucket can get wrong."""

    async def test_a_folder_copied_into_a_bucket_is_found_there(self, bucket, tmp_path):
        digest = await put(await open_store(tmp_path / "files"), PDF)
        [file] = (tmp_path / "files").glob("??/??/*")
        place = f"{bucket.endpoint}{bucket.name}/{bucket.prefix}/{file.relative_to(tmp_path / 'files')}"
        async with httpx.AsyncClient() as client:
            (await client.put(place, content=file.read_bytes())).raise_for_status()
        assert await content_of(await open_store(bucket), digest) == PDF

    async def test_a_bucket_that_does_not_exist_is_refused_at_the_start(self, bucket):
        with pytest.raises(ConfigurationError, match=r"s3://elsewhere: a bucket that exists"):
            await open_store(moved(bucket, url="s3://elsewhere"))

    async def test_a_bucket_that_is_gone_has_not_lost_its_files(self, bucket):
        store = S3Store(moved(bucket, url="s3://elsewhere"))
        assert await failures(store) == {"store_no_bucket"}

    async def test_credentials_that_are_refused_are_refused_at_the_start_and_told_to_nobody(self, moto, bucket):
        store = await open_store(bucket)
        moto.know_nobody()
        try:
            assert await failures(store) == {"store_denied"}
            with pytest.raises(ConfigurationError, match="credentials that may read") as refused:
                await open_store(bucket)
        finally:
            moto.know_everybody()
        told = "".join(traceback.format_exception(refused.value)) + repr(store) + repr(vars(store)) + repr(bucket)
        assert SECRET not in told
        assert "AKIA" not in told

    async def test_a_store_that_is_down_does_not_keep_the_hub_from_starting(self, bucket):
        store = await open_store(moved(bucket, endpoint="http://127.0.0.1:9"))
        assert await failures(store) == {"store_unreachable"}

    @pytest.mark.usefixtures("impatient")
    async def test_a_store_that_says_nothing_is_waited_for_until_a_deadline(self, bucket):
        async with asyncio.timeout(20), answering() as hole:
            assert await failures(S3Store(moved(bucket, endpoint=hole))) == {"store_unreachable"}

    @pytest.mark.parametrize(
        ("answer", "failure"),
        [
            (("404 Not Found", b"<html>no such page</html>"), "store_no_bucket"),
            (("503 Slow Down", b"<Error><Code>SlowDown</Code></Error>"), "store_unreachable"),
            (("302 Found", b""), "store_unreachable"),
            (("200 OK", b"<html>maintenance</html>"), "store_altered"),
        ],
    )
    async def test_what_is_no_s3_stores_answer_is_no_content_and_no_absence(self, bucket, answer, failure):
        async with answering(answer) as page:
            with pytest.raises(StoreError, match=failure):
                await content_of(S3Store(moved(bucket, endpoint=page)), NOWHERE)


async def failures(store):
    """Try everything, all of which fails, and give the codes."""
    arrival = store.arrivals / "arrival"
    arrival.write_bytes(PDF)
    codes = set()
    for trying in (
        store.put(arrival, sha256(PDF)),
        anext(store.open(NOWHERE)),
        store.exists(NOWHERE),
        store.delete(NOWHERE),
    ):
        with pytest.raises(StoreError) as failed:
            await trying
        codes.add(failed.value.code)
    assert arrival.exists()
    return codes


class TestADisk:
    """What only a folder can get wrong."""

    async def test_a_disk_that_is_not_mounted_has_not_lost_its_files(self, tmp_path):
        store = await open_store(tmp_path / "files")
        digest = await put(store, PDF)
        shutil.rmtree(tmp_path / "files")
        for trying in (anext(store.open(digest)), store.exists(digest), receive(pieces(PDF), "a.pdf", store)):
            with pytest.raises(StoreError, match="store_unreachable"):
                await trying

    async def test_a_full_disk_says_so(self):
        with pytest.raises(StoreError, match="store_full"):
            await on_disk(Path("/dev/full").write_bytes, PDF)

    async def test_a_folder_that_cannot_be_is_refused_at_the_start(self, tmp_path):
        (tmp_path / "files").write_text("")
        with pytest.raises(ConfigurationError, match="a folder that this process may make"):
            await open_store(tmp_path / "files")


class TestSettings:
    """How an installation says where its files are."""

    @pytest.fixture
    def read(self, tmp_path):
        def written(files):
            (tmp_path / "hub.yaml").write_text(f"port: 1\nfiles: {files}\n")
            return Settings.read(tmp_path / "hub.yaml").files

        return written

    def test_a_folder_lies_beside_the_file(self, read, tmp_path):
        assert [read("var/pieces"), read("/srv/pieces")] == [tmp_path / "var/pieces", Path("/srv/pieces")]

    @pytest.mark.parametrize(("said", "prefix"), [("s3://pieces", ""), ("s3://pieces/ville/hub/", "ville/hub")])
    def test_a_bucket_needs_its_address_only(self, read, said, prefix, tmp_path):
        bucket = read(said)
        assert (bucket.name, bucket.prefix, bucket.endpoint) == ("pieces", prefix, None)
        assert bucket.arrivals == tmp_path / "var/arrivals"

    def test_a_bucket_may_be_anywhere(self, read):
        bucket = read("{url: s3://pieces, endpoint: https://s3.fr-par.scw.cloud, region: fr-par, arrivals: /srv/hub}")
        assert (str(bucket.endpoint), bucket.region) == ("https://s3.fr-par.scw.cloud/", "fr-par")
        assert bucket.arrivals == Path("/srv/hub")

    @pytest.mark.parametrize(
        ("said", "place"),
        [
            ("s3://", "files.bucket.url"),
            ("s3:/pieces", "files.bucket.url"),
            ("s3://Pieces", "files.bucket.url"),
            ("s3://pieces/../ville", "files.bucket.url"),
            ("https://s3.example/pieces", "files.bucket.url"),
            ("{url: s3://pieces, secret_access_key: abc}", "files.bucket.secret_access_key"),
            ("{url: s3://pieces, endpoint: s3.example}", "files.bucket.endpoint"),
            ("{url: s3://pieces, endpoint: 'https://a:b@s3.example'}", "files.bucket.endpoint"),
            ("[a, b]", "files.folder"),
        ],
    )
    def test_anything_else_is_refused_with_its_place(self, read, said, place):
        with pytest.raises(ConfigurationError) as refused:
            read(said)
        assert refused.value.line == 2
        assert refused.value.expected.startswith(place)
        assert "abc" not in str(refused.value)

    def test_a_bad_address_says_what_was_expected(self, read):
        with pytest.raises(ConfigurationError, match="expected a folder, s3://bucket or s3://bucket/prefix"):
            read("gs://pieces")

    async def test_credentials_may_lie_in_files(self, bucket, monkeypatch, tmp_path):
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        (tmp_path / "key").write_text(f"{SECRET}\n")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY_FILE", str(tmp_path / "key"))
        assert not await (await open_store(bucket)).exists(NOWHERE)

    @pytest.mark.parametrize("variable", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
    async def test_a_credential_that_is_missing_is_named(self, bucket, monkeypatch, variable):
        monkeypatch.setenv(variable, "")
        with pytest.raises(ConfigurationError, match=f"{variable}: "):
            await open_store(bucket)
        monkeypatch.setenv(f"{variable}_FILE", "/nowhere")
        with pytest.raises(ConfigurationError, match=f"{variable}_FILE: a file"):
            await open_store(bucket)


class TestAtTheDoor:
    """What front ends see of a bucket."""

    @pytest.fixture
    async def opened(self, settings, bucket):
        async with open_hub(settings.model_copy(update={"files": bucket}), serve=False) as opened:
            yield opened

    @pytest.fixture
    async def desk(self, opened, open_desk):
        return await open_desk(opened)

    @pytest.fixture
    def outage(self, moto):
        """Take the store down until the end of the test, or sooner."""
        moto.stop()
        up = []

        def end():
            moto.start()
            up.append(True)

        yield end
        if not up:
            end()

    async def test_a_file_comes_in_and_goes_out_again(self, desk, bucket):
        kept = await desk.post("/v1/attachments?name=acte.pdf", content=LARGE)
        assert (kept.status_code, kept.json()["sha256"]) == (201, sha256(LARGE))
        back = await desk.get(kept.headers["location"])
        assert (back.content, back.headers["content-length"]) == (LARGE, str(len(LARGE)))
        assert list(bucket.arrivals.iterdir()) == []

    @pytest.mark.parametrize("sent", [{"content": PDF}, {"files": {"file": ("a.pdf", PDF)}}], ids=["raw", "form"])
    async def test_a_store_that_is_down_makes_an_upload_wait(self, opened, desk, outage, sent):
        answer = await desk.post("/v1/attachments?name=a.pdf", **sent)
        assert (answer.status_code, answer.json()["type"]) == (503, "/problems/unavailable")
        assert int(answer.headers["retry-after"]) > 0
        assert opened.ledger.look(lambda c: c.scalar(text("SELECT count(*) FROM attachment"))) == 0
        outage()
        assert (await desk.post("/v1/attachments?name=a.pdf", **sent)).status_code == 201

    async def test_a_store_that_is_down_makes_a_download_wait(self, desk, moto):
        kept = await desk.post("/v1/attachments?name=a.pdf", content=PDF)
        moto.stop()
        answer = await desk.get(kept.headers["location"])
        moto.start()
        assert (answer.status_code, "retry-after" in answer.headers) == (503, True)
        assert (await desk.get(kept.headers["location"])).content == PDF

    async def test_a_content_that_is_lost_is_not_found(self, desk, bucket):
        kept = await desk.post("/v1/attachments?name=a.pdf", content=PDF)
        await lose_all(bucket)
        assert (await desk.get(kept.headers["location"])).status_code == 404

    async def test_a_disk_that_fails_makes_an_upload_wait(self, resting, open_desk):
        desk = await open_desk(resting)
        shutil.rmtree(resting.settings.files)
        answer = await desk.post("/v1/attachments?name=a.pdf", content=PDF)
        assert (answer.status_code, "retry-after" in answer.headers) == (503, True)


async def lose_all(bucket):
    """Delete every content of a bucket, behind the hub's back."""
    store = connect(bucket)
    for path in [one["path"] for page in store.list() for one in page]:
        await store.delete_async(path)


class TestWithADelivery:
    """What a delivery does that needs a file."""

    @pytest.mark.parametrize(("name", "operation"), [("courriel", "envoyer"), ("logitud", "demander_acte_naissance")])
    async def test_a_connector_reads_its_files_before_its_first_byte_leaves(self, name, operation):
        async def failing():
            yield PDF[:10]
            raise StoreError("store_unreachable")

        sandbox = import_module(f"connectors.{name}.sandbox").Sandbox()
        await sandbox.start()
        connect = import_module(f"connectors.{name}").connect
        connector = connect(sandbox.settings(), ErrorTable.read(HOME / "connectors" / name))
        files = (File("a.pdf", "application/pdf", len(PDF), sha256(PDF), failing),)
        body = orjson.dumps(sandbox.sample(operation))
        message = Outbound("100000000-1", operation, body, Deadline(timedelta(seconds=10)), files)
        with pytest.raises(StoreError):
            await connector.deliver(message)
        await connector.close()
        await sandbox.stop()
        assert (message.exchange.sent, sandbox.taken().total()) == (b"", 0)

    @pytest.fixture
    async def mail(self):
        server = MailServer()
        await server.start()
        yield server
        await server.stop()

    @pytest.fixture
    def posting(self, settings, bucket, mail, tmp_path):
        """An installation that posts requests with their files."""
        steps = "steps: [{deliver: poste, using: poste/envoyer}]"
        folder = tmp_path / "home/routes/lettre"
        shutil.copytree(tmp_path / "home/routes/essai", folder)
        (folder / "route.yaml").write_text(f"route: lettre\ntitle: Lettre\nowner: tests\n{steps}")
        sample = mail.sample("envoyer")
        mapping = {"mapping": "poste/envoyer", "from": "*", "to": "courriel.envoyer", "expression": json.dumps(sample)}
        examples = [{"name": "always the same", "given": {}, "expect": sample}]
        (tmp_path / "home/mappings/poste").mkdir()
        (tmp_path / "home/mappings/poste/envoyer.yaml").write_text(json.dumps({**mapping, "examples": examples}))
        poste = {"connector": "courriel", "settings": mail.settings(), "policy": STRICT}
        said = settings.model_dump()
        return Settings.model_validate(said | {"files": bucket, "targets": said["targets"] | {"poste": poste}})

    async def test_it_waits_while_the_store_is_down_and_leaves_with_its_file(self, posting, moto, mail, open_desk):
        async with open_hub(posting, serve=False) as resting:
            desk = await open_desk(resting)
            kept = (await desk.post("/v1/attachments?name=a.pdf", content=LARGE)).json()
            number = await desk.submitted("lettre", attachments=[kept["id"]])
        moto.stop()
        async with open_hub(posting) as running:
            desk = await open_desk(running, role="operator", front_end="*")
            try:
                shown = await desk.until_state(f"{number}-1", "waiting", "parked", "uncertain")
                assert (shown["state"], shown["code"]) == ("waiting", "store_unreachable")
            finally:
                moto.start()
            await desk.until(number, "done")
        [received] = mail.mailbox
        [file] = received.message.iter_attachments()
        assert file.get_content() == LARGE

    async def test_a_content_that_is_lost_is_for_a_person(self, posting, bucket, mail, open_desk):
        async with open_hub(posting, serve=False) as resting:
            desk = await open_desk(resting)
            kept = (await desk.post("/v1/attachments?name=a.pdf", content=PDF)).json()
            number = await desk.submitted("lettre", attachments=[kept["id"]])
        await lose_all(bucket)
        async with open_hub(posting) as running:
            desk = await open_desk(running, role="operator", front_end="*")
            shown = await desk.until_state(f"{number}-1", "waiting", "parked", "uncertain")
        assert (shown["state"], shown["code"], mail.mailbox) == ("parked", "file_missing", [])

"""E-mail: what is written, what a mail server's words mean, and what is known when the line goes dead."""

from __future__ import annotations

import asyncio
import email.policy
import json
import re
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.parser import BytesParser
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import orjson
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

import connectors.courriel
from connectors._transport.smtp import stuffed
from connectors.courriel.client import TEMPLATES, Courriel, connect, read_shelf
from connectors.courriel.sandbox import Sandbox
from connectors.courriel.wire import (
    Body,
    Stationery,
    Template,
    message_id,
    read_key,
    render,
    safe_name,
    write_message,
)
from hub.connector import Deadline, File, Outbound
from hub.errors import ConfigurationError, DeliveryError, RefusedError, TransientError, UncertainError
from hub.manifest import ErrorTable
from hub.model import DeliveryKey

FOLDER = Path(connectors.courriel.__file__).parent
ERRORS = ErrorTable.read(FOLDER)
KEY = DeliveryKey("167046020-2")
PAPER = Stationery(
    sender="ville@ville.example",
    sender_name="Ville d'Exemple",
    domain="ville.example",
    date=datetime(2026, 9, 7, tzinfo=UTC),
    automatic=False,
)
LETTER = {"to": ["lea@exemple.fr"], "subject": "Objet", "text": "Texte"}


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    stand_in = Sandbox()
    await stand_in.start()
    yield stand_in
    await stand_in.stop()


@pytest.fixture
def courriel(sandbox: Sandbox) -> Courriel:
    return connect(sandbox.settings(), ERRORS)


def outbound(body: dict[str, Any], operation: str = "envoyer", *files: File) -> Outbound:
    deadline = Deadline(timedelta(seconds=5))
    return Outbound(KEY, operation, orjson.dumps(body), deadline, files)


def file(name: str, content: bytes, media_type: str = "application/pdf") -> File:
    async def read() -> AsyncIterator[bytes]:
        yield content[:3]
        yield content[3:]

    return File(name, media_type, len(content), "0" * 64, read)


async def test_a_message_arrives_as_it_was_written(sandbox, courriel):
    body = {
        "to": ["maire@ville.example"],
        "cc": ["cabinet@ville.example"],
        "reply_to": "lea@exemple.fr",
        "subject": "N° [numdemande] : [objet]",
        "text": "Première ligne\n.un point\n..deux points\n.\nDernière ligne : [message]\n",
        "fields": {"numdemande": "167 046 020", "objet": "Été", "message": "« oui »"},
    }
    receipt = await courriel.deliver(outbound(body))
    (received,) = sandbox.mailbox
    assert receipt.reference == received.message["Message-ID"] == "<167046020-2@demarches.ville.example>"
    assert received.recipients == ("maire@ville.example", "cabinet@ville.example")
    assert received.message["Subject"] == "N° 167 046 020 : Été"
    assert received.message["Reply-To"] == "lea@exemple.fr"
    text = received.message.get_content().replace("\r\n", "\n")
    assert text == "Première ligne\n.un point\n..deux points\n.\nDernière ligne : « oui »\n"


async def test_attachments_arrive_byte_for_byte_under_a_harmless_name(sandbox, courriel):
    content = bytes(range(256)) * 300
    await courriel.deliver(outbound(LETTER, "envoyer", file("../../Été\r\nBcc: x@y.fr.pdf", content)))
    (part,) = sandbox.mailbox[0].message.iter_attachments()
    assert part.get_content() == content
    assert part.get_content_type() == "application/pdf"
    assert part.get_filename() == "Été Bcc_ x@y.fr.pdf"


async def test_only_what_informs_asks_not_to_be_answered_by_a_machine(sandbox, courriel):
    for operation in ("informer", "envoyer"):
        await courriel.deliver(outbound(sandbox.sample(operation), operation))
    marks = [received.message["Auto-Submitted"] for received in sandbox.mailbox]
    assert marks == ["auto-generated", None]


async def test_a_second_copy_is_known_again_by_its_message_id_and_shows_when_it_matters(sandbox, courriel):
    for operation in ("informer", "informer", "envoyer", "envoyer"):
        await courriel.deliver(outbound(sandbox.sample(operation), operation))
    assert sandbox.suppressed.total() == 1
    assert sandbox.taken() == {KEY: 3}


async def test_late_refusals_go_to_the_bounce_address(sandbox):
    courriel = connect(sandbox.settings() | {"bounce": "retours@ville.example"}, ERRORS)
    await courriel.deliver(outbound(LETTER))
    assert sandbox.mailbox[0].sender == "retours@ville.example"
    assert "ne-pas-repondre@ville.example" in sandbox.mailbox[0].message["From"]


async def test_one_unknown_recipient_and_nobody_gets_it(sandbox, courriel):
    sandbox.break_with("unknown_recipient")
    with pytest.raises(RefusedError, match="unknown_recipient"):
        await courriel.deliver(outbound({**LETTER, "cc": ["b@ville.example"]}))
    assert not sandbox.mailbox


async def test_what_the_server_said_is_kept_as_evidence(sandbox, courriel):
    message = outbound(LETTER)
    sandbox.break_with("refused_content")
    with pytest.raises(RefusedError):
        await courriel.deliver(message)
    assert message.exchange.answered == b"554 5.7.1 Message content rejected"
    assert message.exchange.sent.startswith(b"From: ")


async def test_a_mailbox_cannot_be_asked(courriel):
    with pytest.raises(UncertainError, match="not_askable"):
        await courriel.look_up(outbound(LETTER))


async def test_a_wrong_password_is_found_by_the_probe(sandbox):
    courriel = connect(sandbox.settings() | {"password": "périmé"}, ERRORS)
    with pytest.raises(TransientError, match="credentials"):
        await courriel.probe(Deadline(timedelta(seconds=5)))


async def test_a_forgotten_login_is_no_refusal_of_the_message(sandbox):
    courriel = connect(sandbox.settings() | {"username": None, "password": None}, ERRORS)
    with pytest.raises(TransientError, match="credentials"):
        await courriel.deliver(outbound(LETTER))


async def test_a_closed_port_has_taken_nothing(sandbox, courriel):
    await sandbox.stop()
    with pytest.raises(TransientError, match="connect"):
        await courriel.deliver(outbound(LETTER))


async def test_no_message_goes_in_clear_when_encryption_is_asked(sandbox):
    courriel = connect(sandbox.settings() | {"tls": "starttls"}, ERRORS)
    with pytest.raises(TransientError, match="session_refused"):
        await courriel.deliver(outbound(LETTER))
    assert not sandbox.mailbox


async def test_an_unknown_certificate_is_not_spoken_to(tmp_path):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(self_signed(tmp_path))
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0, ssl=context)
    settings = Sandbox().settings() | {"tls": "tls", "port": server.sockets[0].getsockname()[1]}
    with pytest.raises(TransientError, match="tls"):
        await connect(settings, ERRORS).deliver(outbound(LETTER))
    server.close()


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({**LETTER, "template": "accuse_reception"}, "message_invalid"),
        ({"to": [], "subject": "s", "text": "t"}, "message_invalid"),
        ({**LETTER, "to": ["a@b.fr\r\nRCPT TO:<c@d.fr>"]}, "message_invalid"),
        ({**LETTER, "to": ["a@b.fr, c@d.fr"]}, "message_invalid"),
        ({**LETTER, "surprise": True}, "message_invalid"),
        ({"to": ["a@b.fr"], "template": "inconnu"}, "template_unknown"),
        ({"to": ["a@b.fr"], "template": "../client"}, "message_invalid"),
        ({"to": ["a@b.fr"], "template": "question", "fields": {"nom": "x"}}, "template_field"),
    ],
)
async def test_what_cannot_be_written_is_refused_before_the_line_is_opened(sandbox, courriel, body, code):
    await sandbox.stop()
    message = outbound(body)
    with pytest.raises(RefusedError, match=code):
        await courriel.deliver(message)
    assert message.exchange.fault.startswith(code)
    assert not message.exchange.sent


async def test_what_is_too_big_is_refused_unread(sandbox):
    async def unreadable() -> AsyncIterator[bytes]:
        pytest.fail("read although its size was known")
        yield b""

    courriel = connect(sandbox.settings() | {"largest": 1000}, ERRORS)
    big = File("plan.pdf", "application/pdf", 800, "0" * 64, unreadable)
    with pytest.raises(RefusedError, match="too_big"):
        await courriel.deliver(outbound(LETTER, "envoyer", big))


@pytest.mark.parametrize(
    ("reply", "failure", "code"),
    [
        ("421 4.7.0 Too many connections", TransientError, "closing"),
        ("450 4.2.0 Greylisted", TransientError, "greylisted"),
        ("451 Requested action aborted", TransientError, "busy"),
        ("452 4.3.1 Insufficient system storage", TransientError, "mailbox_full"),
        ("454 4.7.0 Temporary authentication failure", TransientError, "busy"),
        ("452 4.5.3 Too many recipients", RefusedError, "too_many_recipients"),
        ("550 No such user", RefusedError, "unknown_recipient"),
        ("550 5.1.1 No such user", RefusedError, "unknown_recipient"),
        ("553 5.1.8 Bad sender domain", RefusedError, "sender_refused"),
        ("552 5.2.2 Over quota", RefusedError, "mailbox_full_for_good"),
        ("552 Error: Too much mail data", RefusedError, "too_big"),
        ("550 5.2.1 Mailbox disabled", RefusedError, "mailbox_disabled"),
        ("550 5.7.1 Relaying denied", RefusedError, "relay_denied"),
        ("554 5.7.1 Spam", RefusedError, "refused_content"),
        ("530 5.7.0 Authentication required", TransientError, "credentials"),
        ("500 5.5.2 Syntax error", RefusedError, "refused"),
    ],
)
def test_each_reply_of_a_mail_server_means_one_thing(reply, failure, code):
    error = ERRORS.failure(reply)
    assert (type(error), error.code) == (failure, code)


@given(st.integers(400, 599), st.text(max_size=30))
def test_the_table_knows_every_negative_reply(code, words):
    assert ERRORS.failure(f"{code} {words}").code != "unmapped"


@given(st.text(min_size=1, max_size=300), st.text(max_size=80), st.text(max_size=200))
def test_no_words_of_anybody_ever_make_a_header(subject, value, text):
    fields = {"champ": value}
    body = Body(to=("a@b.fr",), subject="[champ] " + subject, text=text + ".", fields=fields)
    try:
        written = write_message(KEY, body, Template(body.subject, body.text), PAPER).as_bytes()
    except KeyError:
        return
    parsed = BytesParser(policy=email.policy.default).parsebytes(written, headersonly=True)
    expected = {"From", "To", "Subject", "Date", "Message-ID", "Content-Type", "Content-Transfer-Encoding"}
    assert set(parsed.keys()) - {"MIME-Version"} == expected
    assert parsed["To"] == "a@b.fr"


async def test_messages_that_follow_each_other_share_a_line(sandbox, courriel):
    for _ in range(3):
        await courriel.deliver(outbound(LETTER))
    assert len(sandbox.mailbox) == 3
    assert sandbox.lines == 1


async def test_a_line_that_was_closed_meanwhile_costs_nothing(sandbox, courriel):
    await courriel.deliver(outbound(LETTER))
    await sandbox.stop()
    await sandbox.start()
    await courriel.deliver(outbound(LETTER))
    assert len(sandbox.mailbox) == 2
    sandbox.break_with("closing")
    await courriel.deliver(outbound(LETTER))
    assert len(sandbox.mailbox) == 3
    await courriel.close()


@given(st.text(max_size=200))
def test_a_file_name_is_never_a_path_nor_a_header(name):
    kept = safe_name(name)
    assert 0 < len(kept) <= 100
    assert kept.isprintable()
    assert not set(kept) & set('/\\<>:"|?*;')
    assert not kept.startswith(".")


def test_a_bracket_of_the_citizen_is_never_filled():
    assert render("Message : [message]", {"message": "[nom] [sic]", "nom": "x"}) == "Message : [nom] [sic]"


def test_an_absent_value_leaves_nothing():
    assert render("Téléphone : [telephone].", {"telephone": None}) == "Téléphone : ."


def test_our_key_is_read_back_from_a_message_id_and_from_nothing_else():
    assert read_key(message_id(KEY, "ville.example")) == KEY
    assert read_key("<abc@ville.example>") is None
    assert read_key("<20260907.12345678901234@ville.example>") is None


def test_a_line_of_one_dot_does_not_end_the_message():
    assert stuffed(b"a\r\n.\r\n..b") == b"a\r\n..\r\n...b\r\n.\r\n"


@pytest.mark.parametrize("name", sorted(read_shelf(TEMPLATES)))
def test_a_template_names_the_fields_that_the_readme_says(name):
    template = read_shelf(TEMPLATES)[name]
    (row,) = re.findall(rf"^\| `{name}` \|.*\| (.*) \|$", (FOLDER / "README.md").read_text("utf-8"), re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", row)) == template.fields
    assert "[" not in render(template.subject + template.text, dict.fromkeys(template.fields, "x"))


def test_a_town_writes_its_own_texts(tmp_path):
    (tmp_path / "accuse_reception.txt").write_text("Objet : Chez nous\n\n[prenom] !\n", "utf-8")
    settings = Sandbox().settings() | {"port": 25, "templates": tmp_path}
    courriel = connect(settings, ERRORS)
    assert courriel._shelf["accuse_reception"] == Template("Chez nous", "[prenom] !\n")
    assert "courrier_maire" in courriel._shelf


def test_a_text_without_subject_is_found_at_the_start(tmp_path):
    (tmp_path / "bancal.txt").write_text("Bonjour\n", "utf-8")
    with pytest.raises(ConfigurationError, match=r"bancal\.txt"):
        connect(Sandbox().settings() | {"port": 25, "templates": tmp_path}, ERRORS)


@pytest.mark.parametrize("change", [{"password": None}, {"username": None}, {"domain": "sans point"}, {"x": 1}])
def test_settings_that_cannot_work_are_refused(change):
    with pytest.raises(ValidationError):
        connect(Sandbox().settings() | {"port": 25} | change, ERRORS)


def test_an_international_domain_is_written_for_every_server():
    assert Body(**{**LETTER, "to": ["lea@été.fr"]}).to == ("lea@xn--t-9fab.fr",)


def test_the_published_contract_is_the_one_we_read():
    published = json.loads((FOLDER / "contract" / "message.json").read_text("utf-8"))
    published.pop("$schema")
    assert published == Body.model_json_schema()


@pytest.mark.parametrize("fault", ["slow", "cut_after_commit", "garbage", "cut_in_message"])
async def test_once_the_message_has_left_silence_says_nothing(sandbox, courriel, fault):
    sandbox.break_with(fault)
    message = Outbound(KEY, "envoyer", orjson.dumps(LETTER), Deadline(timedelta(milliseconds=400)))
    with pytest.raises(DeliveryError) as caught:
        await courriel.deliver(message)
    assert type(caught.value) is UncertainError
    assert sandbox.taken()[KEY] == sandbox.menu[fault].taken


def self_signed(folder: Path) -> Path:
    """Make a certificate for 127.0.0.1 that nobody vouches for; key and certificate in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2100, 1, 1, tzinfo=UTC))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "certificat.pem"
    pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return pem

"""The connector `rest`: what its settings can say, and that they are kept to the letter."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import orjson
import pytest
from pydantic import ValidationError

from connectors._transport.http import Answer
from connectors.rest import connect
from connectors.rest.client import Rest
from connectors.rest.sandbox import Sandbox
from connectors.rest.wire import (
    MISSING,
    Find,
    LookUp,
    Service,
    at,
    read_find,
    read_look_up,
    read_receipt,
    write_body,
    write_find,
)
from hub.connector import Configured, Deadline, DifferentError, Finder, Outbound, Receipt
from hub.errors import RefusedError, TransientError, UncertainError
from hub.manifest import ErrorTable

ERRORS = ErrorTable.model_validate(
    {
        "error": [
            {"code": "DOUBLON", "verdict": "accepted"},
            {"code": "FERME", "verdict": "transient", "retry_after": "1h"},
            {"code": "OBJET", "verdict": "refused", "stage": "Refusé"},
            {"code": "quota", "pattern": "quota .* atteint", "verdict": "transient"},
            {"code": "http_422", "verdict": "refused"},
            {"code": "http_401", "verdict": "transient"},
        ]
    }
)
SERVICE = {"title": "Déposer", "effect": "once"}


def message(operation="enregistrer", **fields) -> Outbound:
    body = orjson.dumps(fields or {"objet": "Certificat d'adresse"})
    return Outbound("167046020-1", operation, body, Deadline(timedelta(seconds=10)))


def service(**settings) -> Service:
    return Service.model_validate({**SERVICE, **settings})


def answer(status=200, body=b"", **headers) -> Answer:
    return Answer(status, headers, body if isinstance(body, bytes) else orjson.dumps(body))


@asynccontextmanager
async def records_office(**changes) -> AsyncIterator[tuple[Rest, Sandbox]]:
    sandbox = Sandbox()
    await sandbox.start()
    connector = connect({**sandbox.settings(), **changes}, ERRORS)
    try:
        yield connector, sandbox
    finally:
        await connector.close()
        await sandbox.stop()


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"effect": "idempotent"}, "our key must travel"),
        ({"effect": "lookup", "key_field": "cle"}, "look_up says how"),
        ({"exists": [409]}, "never sees our key"),
        ({"reference": "numero"}, "pattern"),
        ({"effect": "lookup", "key_field": "cle", "look_up": {"path": "/sans-cle"}}, "pattern"),
        ({"headers": {"X: y": "z"}}, "pattern"),
        ({"methode": "POST"}, "Extra inputs"),
        ({"method": "TRACE"}, "Input should be"),
    ],
)
def test_an_operation_that_cannot_keep_its_promise_does_not_load(settings, complaint):
    with pytest.raises(ValidationError, match=complaint):
        service(**settings)


@pytest.mark.parametrize(
    "operation",
    [
        {**SERVICE, "path": "http://ailleurs.example/demandes"},
        {
            **SERVICE,
            "effect": "lookup",
            "key_field": "cle",
            "look_up": {"path": "https://bureau.example:444/{key}"},
        },
    ],
)
def test_an_operation_that_leads_to_another_host_does_not_load(operation):
    with pytest.raises(ValidationError, match="another host"):
        connect({"url": "https://bureau.example", "operations": {"a": operation}}, ErrorTable())


def test_a_target_without_an_operation_does_not_load():
    with pytest.raises(ValidationError, match="at least 1"):
        connect({"url": "https://bureau.example", "operations": {}}, ErrorTable())


async def test_its_operations_are_those_of_its_settings():
    async with records_office() as (connector, _):
        assert isinstance(connector, Configured)
        assert connector.operations["enregistrer"].visible_after == timedelta(seconds=1)
        assert connector.operations["deposer"].effect == "idempotent"


def test_the_mappings_bytes_go_out_untouched_when_the_key_is_in_a_header():
    sent = message()
    assert write_body(service(key_header="Idempotency-Key"), sent) is sent.body


def test_the_key_joins_the_fields_where_the_target_wants_it():
    body = write_body(service(key_field="cle"), message(objet="Voirie"))
    assert orjson.loads(body) == {"objet": "Voirie", "cle": "167046020-1"}


@pytest.mark.parametrize(
    ("settings", "given", "reference"),
    [
        ({}, answer(201), ""),
        ({"reference": "/numero"}, answer(201, {"numero": 12}), "12"),
        ({"reference": "/d/0/n~1o"}, answer(201, {"d": [{"n/o": "A"}]}), "A"),
        ({"reference": "header:Location"}, answer(201, location="/demandes/7"), "/demandes/7"),
        (
            {"success": {"pointer": "/ok", "equals": True}, "reference": "/id"},
            answer(200, {"ok": True, "id": "9"}),
            "9",
        ),
        ({"key_field": "cle", "exists": [409], "reference": "/id"}, answer(409, {"id": "3"}), "3"),
        ({"key_field": "cle", "exists": [409], "reference": "/id"}, answer(409, b"deja"), ""),
        ({"error_code": "/code", "reference": "/id"}, answer(409, {"code": "DOUBLON", "id": "4"}), "4"),
    ],
)
def test_an_acceptance_is_read_where_the_settings_say(settings, given, reference):
    assert read_receipt(service(**settings), given, ERRORS) == Receipt(reference)


INSIDE = {"success": {"pointer": "/ok", "equals": True}, "error_code": "/code"}


@pytest.mark.parametrize(
    ("settings", "given", "meaning", "code"),
    [
        ({}, answer(422), RefusedError, "http_422"),
        ({}, answer(404), RefusedError, "unmapped"),
        ({}, answer(418), UncertainError, "unmapped"),
        ({}, answer(401), TransientError, "http_401"),
        ({"error_code": "/code"}, answer(422, {"code": "OBJET"}), RefusedError, "OBJET"),
        ({"error_code": "/code"}, answer(422, {"code": "FERME"}), TransientError, "FERME"),
        ({"error_code": "/code"}, answer(422, {"code": "Le quota du jour est atteint"}), TransientError, "quota"),
        ({"error_code": "/code"}, answer(422, {"code": "NOUVEAU"}), RefusedError, "http_422"),
        ({"error_code": "/code"}, answer(422, b"<oups>"), RefusedError, "http_422"),
        (INSIDE, answer(200, {"ok": False, "code": "OBJET"}), RefusedError, "OBJET"),
        (INSIDE, answer(200, {"ok": False, "code": "NOUVEAU"}), RefusedError, "unmapped"),
        (INSIDE, answer(200, {"ok": False}), UncertainError, "unreadable"),
        (INSIDE, answer(200, {}), UncertainError, "unreadable"),
        (INSIDE, answer(200, b""), UncertainError, "unreadable"),
        ({"reference": "/id"}, answer(201, {"autre": 1}), UncertainError, "unreadable"),
        ({"reference": "/id"}, answer(201, {"id": ""}), UncertainError, "unreadable"),
        ({"reference": "/id"}, answer(201, {"id": {}}), UncertainError, "unreadable"),
        ({"reference": "header:Location"}, answer(201), UncertainError, "unreadable"),
        ({}, Answer(200, {"content-type": "text/html"}, b"<h1>"), UncertainError, "page"),
    ],
)
def test_what_is_not_an_acceptance_means_one_thing(settings, given, meaning, code):
    with pytest.raises(meaning) as failure:
        read_receipt(service(**settings), given, ERRORS)
    assert failure.value.code == code


def test_a_row_gives_its_stage_and_its_wait():
    with pytest.raises(RefusedError) as refusal:
        read_receipt(service(error_code="/code"), answer(422, {"code": "OBJET"}), ERRORS)
    assert refusal.value.stage == "Refusé"
    with pytest.raises(TransientError) as closed:
        read_receipt(service(error_code="/code"), answer(422, {"code": "FERME"}), ERRORS)
    assert closed.value.retry_after == timedelta(hours=1)


LOOK_UP = LookUp(
    path="/d?r={key}",
    found="/dossiers",
    key="/dossiers/0/r",
    reference="/dossiers/0/n",
    compare={"objet": "/dossiers/0/o"},
)


def test_a_key_that_is_there_gives_the_targets_reference():
    found = answer(200, {"dossiers": [{"r": "167046020-1", "n": "BO-1", "o": "Voirie"}]})
    assert read_look_up(LOOK_UP, found, message(objet="Voirie")) == Receipt("BO-1")


@pytest.mark.parametrize("given", [answer(404), answer(200, {"dossiers": []}), answer(200, {"dossiers": None})])
def test_a_key_that_is_not_there_is_absent(given):
    assert read_look_up(LOOK_UP, given, message(objet="Voirie")) is None


@pytest.mark.parametrize(
    "given",
    [
        answer(200, {}),
        answer(200, b""),
        answer(200, []),
        answer(403),
        Answer(404, {"content-type": "text/html"}, b"<h1>Introuvable</h1>"),
        answer(200, {"dossiers": [{"r": "167046020-2", "n": "BO-2", "o": "Voirie"}]}),
        answer(200, {"dossiers": [{"r": "167046020-1", "o": "Voirie"}]}),
    ],
)
def test_an_answer_that_does_not_say_whether_leaves_the_doubt(given):
    with pytest.raises(UncertainError):
        read_look_up(LOOK_UP, given, message(objet="Voirie"))


def test_a_pointer_that_leads_nowhere_does_not_mean_found():
    look_up = LookUp(path="/d/{key}", found="/dossier")
    with pytest.raises(UncertainError, match="unreadable"):
        read_look_up(look_up, answer(200, {"erreur": "base fermée"}), message())


def test_a_key_found_with_another_content_is_for_a_person():
    found = answer(200, {"dossiers": [{"r": "167046020-1", "n": "BO-1", "o": "Propreté"}]})
    with pytest.raises(DifferentError):
        read_look_up(LOOK_UP, found, message(objet="Voirie"))


async def test_an_operation_without_a_question_cannot_be_asked():
    async with records_office() as (connector, _):
        with pytest.raises(UncertainError, match="cannot_be_asked"):
            await connector.look_up(message("signaler"))


async def test_a_repeated_key_is_accepted_under_its_first_reference():
    async with records_office() as (connector, sandbox):
        first = await connector.deliver(message())
        assert await connector.deliver(message()) == first
        assert sandbox.taken() == {"167046020-1": 1}


async def test_a_targets_own_rows_go_before_the_connectors():
    sandbox = Sandbox()
    await sandbox.start()
    rows = [{"code": "OBJET_INCONNU", "verdict": "transient"}]
    ours = ErrorTable.model_validate({"error": [{"code": "OBJET_INCONNU", "verdict": "refused"}]})
    connector = connect({**sandbox.settings(), "errors": rows}, ours)
    sandbox.break_with("refused")
    with pytest.raises(TransientError, match="OBJET_INCONNU"):
        await connector.deliver(message())
    await connector.close()
    await sandbox.stop()


async def test_a_503_that_is_not_declared_leaves_a_doubt():
    async with records_office(unavailable=[]) as (connector, sandbox):
        sandbox.break_with("unavailable")
        with pytest.raises(UncertainError, match="http_503"):
            await connector.deliver(message())


async def test_the_exchange_keeps_what_was_said():
    async with records_office() as (connector, sandbox):
        sandbox.break_with("refused")
        refused = message()
        with pytest.raises(RefusedError):
            await connector.deliver(refused)
    assert b"167046020-1" in refused.exchange.sent
    assert b"Objet inconnu" in refused.exchange.answered
    assert refused.exchange.http_status == 422


@pytest.mark.parametrize(
    ("pointer", "value"),
    [("", {"a": [1]}), ("/a", [1]), ("/a/0", 1), ("/a/1", MISSING), ("/a/x", MISSING), ("/b", MISSING)],
)
def test_a_pointer_leads_somewhere_or_nowhere(pointer, value):
    assert at({"a": [1]}, pointer) == value


FIND = Find(path="/dossiers/{reference}", found="/numero", reference="/numero")


async def test_a_file_is_found_by_the_number_that_an_agent_typed():
    async with records_office() as (connector, sandbox):
        assert isinstance(connector, Finder)
        assert connector.finds == {"enregistrer"}
        number = (await connector.deliver(message())).reference
        typed = Outbound("167046020-1", "enregistrer", b"", Deadline(timedelta(seconds=10)))
        assert await connector.find(typed, number) is True
        assert typed.exchange.sent == f"GET /dossiers/{number}".encode()
        assert await connector.find(message(), "BO-999999") is False
        assert sandbox.taken().total() == 1


@pytest.mark.parametrize("reference", ["", "BO-1", "../dossiers", "BO-000001\n"])
async def test_what_does_not_look_like_a_number_is_not_asked(reference):
    async with records_office() as (connector, _):
        asked = message()
        with pytest.raises(RefusedError, match=r"^reference_invalid$"):
            await connector.find(asked, reference)
        assert not asked.exchange.sent


async def test_an_operation_whose_references_cannot_be_asked_for_says_so():
    async with records_office() as (connector, _):
        with pytest.raises(UncertainError, match=r"^cannot_be_asked$"):
            await connector.find(message("signaler"), "BO-000001")


@pytest.mark.parametrize(
    ("given", "meaning", "code"),
    [
        (answer(200, {"numero": "BO-000002"}), UncertainError, "another_reference"),
        (answer(200, {"erreur": "OBJET"}), UncertainError, "unreadable"),
        (answer(200, b"{"), UncertainError, "unreadable"),
        (answer(404, b"<h1>404</h1>", **{"content-type": "text/html"}), UncertainError, "page"),
        (answer(410), UncertainError, "unmapped"),
        (answer(422), RefusedError, "http_422"),
        (answer(401), TransientError, "http_401"),
    ],
)
def test_only_what_the_settings_say_is_found_or_absent(given, meaning, code):
    with pytest.raises(meaning, match=f"^{code}$"):
        read_find(FIND, given, "BO-000001", ERRORS)


def test_an_empty_answer_is_an_absence_where_the_settings_say_so():
    assert read_find(FIND, answer(200, {"numero": ""}), "BO-000001", ERRORS) is False
    assert read_find(FIND, answer(404), "BO-000001", ERRORS) is False


@pytest.mark.parametrize("pattern", [".*", "[.]+", "[a-z]*"])
def test_a_pattern_that_leads_elsewhere_does_not_load(pattern):
    with pytest.raises(ValidationError, match="lead elsewhere"):
        Find(path="/dossiers/{reference}", pattern=pattern)


def test_a_reference_is_one_step_of_its_path():
    find = Find(path="/dossiers/{reference}", pattern=r"\d+/\d+")
    assert write_find(find, "2026/12") == "/dossiers/2026%2F12"

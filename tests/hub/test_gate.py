"""What strangers may send through the door, and what they are told when they may not."""

import asyncio
import json
import socket
import tracemalloc
from contextlib import asynccontextmanager, suppress

import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st
from jsonschema_rs import Draft202012Validator
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from hub.gate import read_body, read_json, validate_data, validate_envelope
from hub.model import Submission
from hub.problems import Problem, ProblemType, install

CANARY = "CANARI-1850513001"

NOT_TAKEN = {
    "nothing": (b"", None),
    "half a message": (b'{"nom": "CANARI-1850513001"', None),
    "two messages": (b'{"nom": "CANARI-1850513001"} {}', None),
    "latin-1": ('{"nom": "Lefèvre CANARI-1850513001"}'.encode("latin-1"), None),
    "a byte order mark": (b'\xef\xbb\xbf{"nom": "CANARI-1850513001"}', None),
    "UTF-16": ('{"nom": "CANARI-1850513001"}'.encode("utf-16"), None),
    "a surrogate written raw": (b'{"nom": "\xed\xa0\x80 CANARI-1850513001"}', None),
    "a raw NUL": (b'{"nom": "CANARI-1850513001\x00"}', None),
    "a hundred thousand levels": (b"[" * 100_000, None),
    "twenty-one levels": (b"[" * 21 + b"]" * 21, None),
    "many levels, and a flaw at the bottom": (b"[" * 900 + b"NaN" + b"]" * 900, None),
    "a flaw, then nonsense": (b'{"nom": NaN, "CANARI-1850513001"', None),
    "NaN": (b'{"enfants": [{"age": NaN}]}', "/enfants/0/age"),
    "minus infinity": (b'{"age": -Infinity}', "/age"),
    "a number beyond doubles": (b'{"age": 1e999}', "/age"),
    "five thousand digits": (b'{"age": ' + b"9" * 5000 + b"}", "/age"),
    "nineteen digits": (b'{"age": -1234567890123456789}', "/age"),
    "an escaped NUL": (b'{"nom": ["CANARI-1850513001\\u0000"]}', "/nom/0"),
    "half a character": (b'{"nom": "CANARI-1850513001\\ud800"}', "/nom"),
    "the other half": (b'{"nom": "CANARI-1850513001\\uDC00\\uD83D"}', "/nom"),
    "half a character in a name": (b'{"\\ud800": 1}', "/…"),
    "a field twice": (b'{"enfant": {"nom": "CANARI-1850513001", "nom": 2}}', "/enfant"),
    "the same field, escaped the second time": (b'{"nom": 1, "n\\u006fm": 2}', ""),
}


@pytest.mark.parametrize(("body", "where"), NOT_TAKEN.values(), ids=NOT_TAKEN)
def test_what_is_not_strict_json_is_refused_with_its_place_and_without_its_values(body, where):
    with pytest.raises(Problem) as caught:
        read_json(body)
    answer = caught.value.response().body.decode()
    assert caught.value.kind is ProblemType.UNREADABLE
    assert caught.value.detail
    assert [error.pointer for error in caught.value.errors] == ([] if where is None else [where])
    assert CANARY not in answer


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'"\\ud83d\\ude00"', "😀"),
        (b'"\\\\u0000"', "\\u0000"),
        ('"é"'.encode(), "é"),
        (b"123456789012345678", 123456789012345678),
        (b"-1.5e3", -1500.0),
        (b"[" * 20 + b"]" * 20, json.loads("[" * 20 + "]" * 20)),
        (b'{"a": "[[[[[[[[[[[[[[[[[[[[[[[[[[[["}', {"a": "[" * 28}),
    ],
)
def test_what_only_looks_dangerous_is_read(body, value):
    assert read_json(body) == value


@given(st.binary(max_size=60))
def test_no_bytes_make_it_fail_in_another_way(body):
    with suppress(Problem):
        read_json(body)


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(10**18) + 1, 10**18 - 1)
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.just("k"), inner),
        max_leaves=12,
    ),
    st.booleans(),
)
def test_every_clean_document_is_read_as_it_is(value, escaped):
    assert read_json(json.dumps(value, ensure_ascii=escaped).encode()) == value


def test_a_repeated_field_among_very_many_is_found_at_once():
    names = ", ".join(f'"{n}": 0' for n in range(150_000))
    with pytest.raises(Problem, match="unreadable") as caught:
        read_json(f'{{{names}, "149999": 1}}'.encode())
    assert "« 149999 »" in caught.value.detail


# The body itself, over a real line.


async def count_bytes(request):
    return PlainTextResponse(str(len(await read_body(request, limit=200_000))))


@pytest.fixture
async def say():
    """Send raw lines to a real server and give the status it answers."""
    app = Starlette(routes=[Route("/", count_bytes, methods=["POST"])])
    install(app)
    async with listening(app) as port:

        async def say(head, *pieces):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"POST / HTTP/1.1\r\nHost: hub\r\n" + head + b"\r\n\r\n")
            writer.writelines(pieces)
            try:
                async with asyncio.timeout(10):
                    return int((await reader.readline()).split()[1])
            finally:
                writer.close()

        yield say


@asynccontextmanager
async def listening(app):
    door = socket.socket()
    door.bind(("127.0.0.1", 0))
    door.listen()
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
    serving = asyncio.create_task(server.serve([door]))
    yield door.getsockname()[1]
    server.should_exit = True
    await serving


JSON = b"Content-Type: application/json\r\n"
CHUNK = b"10000\r\n" + b" " * 0x10000 + b"\r\n"


@pytest.mark.parametrize(
    ("head", "pieces", "status"),
    [
        (JSON + b"Content-Length: 2", [b"{}"], 200),
        (JSON + b"Transfer-Encoding: chunked", [b"2\r\n{}\r\n0\r\n\r\n"], 200),
        (JSON + b"Content-Encoding: identity\r\nContent-Length: 2", [b"{}"], 200),
        (b'Content-Type: Application/JSON; charset="UTF-8"\r\nContent-Length: 2', [b"{}"], 200),
        (JSON + b"Content-Length: 200001", [], 413),
        (JSON + b"Content-Length: 123456789012345678", [], 413),
        (JSON + b"Transfer-Encoding: chunked", [CHUNK] * 4, 413),
        (JSON + b"Content-Encoding: gzip\r\nContent-Length: 2", [b"{}"], 415),
        (JSON + b"Content-Encoding: identity, br\r\nContent-Length: 2", [b"{}"], 415),
        (b"Content-Length: 2", [b"{}"], 415),
        (b"Content-Type: text/plain\r\nContent-Length: 2", [b"{}"], 415),
        (b"Content-Type: application/json; charset=latin-1\r\nContent-Length: 2", [b"{}"], 415),
        (b"Content-Type: application/json-patch+json\r\nContent-Length: 2", [b"{}"], 415),
        (JSON + b"Content-Length: x", [b"{}"], 400),
    ],
)
async def test_a_body_is_taken_or_refused_by_what_it_declares_and_by_what_it_weighs(say, head, pieces, status):
    assert await say(head, *pieces) == status


def posted(messages, **headers):
    """Make a request whose server says `messages`, one by one."""
    lines = {"content-type": "application/json"} | {k.replace("_", "-"): v for k, v in headers.items()}
    raw = [(name.encode(), value.encode()) for name, value in lines.items()]
    remaining = iter(messages)

    async def receive():
        return next(remaining)

    return Request({"type": "http", "method": "POST", "headers": raw}, receive)


def piece(body, more=True):  # noqa: FBT002  # ASGI's own word
    return {"type": "http.request", "body": body, "more_body": more}


@pytest.mark.parametrize(
    ("messages", "length"),
    [
        ([piece(b"{}", more=False)], "3"),
        ([piece(b"{}", more=False)], "1"),
        ([piece(b"{}", more=False)], "-2"),
        ([piece(b"{}", more=False)], "2_0"),
        ([piece(b"{}", more=False)], "٢"),
        ([piece(b"{"), {"type": "http.disconnect"}], "2"),
    ],
)
async def test_a_lying_length_or_a_cut_line_is_the_caller_s_mistake(messages, length):
    with pytest.raises(Problem) as caught:
        await read_body(posted(messages, content_length=length))
    assert caught.value.kind.status == 400


async def test_an_endless_body_is_not_kept():
    messages = (piece(b" " * 65_536) for _ in range(1_000))
    tracemalloc.start()
    with pytest.raises(Problem, match="too-large"):
        await read_body(posted(messages))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8_000_000


# The envelope.

LEA = {
    "kind": "ecole.inscription",
    "channel": "guichet",
    "applicant": {
        "identity": {"family_name": "Lefèvre", "given_name": "Léa", "birthdate": "1990-02-28"},
        "contact": {"email": "lea@example.fr", "phone": "06 12 34 56 78"},
        "address": None,
    },
    "data": {"libre": [1, None]},
    "received_at": "2026-09-01T08:00:00+02:00",
}


def told(check, *arguments):
    """Give what a refusal says, as {pointer: (field, message)}."""
    with pytest.raises(Problem) as caught:
        check(*arguments)
    assert caught.value.kind is ProblemType.INVALID
    assert CANARY not in caught.value.response().body.decode()
    return {error.pointer: (error.field, error.message) for error in caught.value.errors}


def test_a_good_envelope_becomes_a_submission():
    submission = validate_envelope(LEA)
    assert isinstance(submission, Submission)
    assert submission.applicant.identity.given_name == "Léa"


def test_every_fault_of_an_envelope_is_told_at_once_in_the_words_of_the_form():
    wrong = {
        "channel": CANARY,
        "applicant": {
            "identity": {"family_name": "", "given_name": 7, "birthdate": "2026-02-30", "verified": "yes"},
            "contact": {"email": CANARY, "telephone": CANARY},
            "address": {"street": CANARY * 20},
        },
        "data": [],
        "received_at": 0,
        f"clé {CANARY}": 1,
    }
    assert told(validate_envelope, wrong) == {
        "/kind": ("Type de démarche", "ce champ est obligatoire"),
        "/channel": (
            "Canal",
            "valeur non prévue ; valeurs possibles : internet, mobile, guichet, telephone, courrier, courriel, interne",
        ),
        "/applicant/identity/family_name": ("Nom de naissance", "au moins 1 caractère"),
        "/applicant/identity/given_name": ("Prénoms", "un texte est attendu"),
        "/applicant/identity/birthdate": (
            "Date de naissance",
            "une date existante, au format AAAA-MM-JJ",
        ),
        "/applicant/identity/verified": (
            "Identité vérifiée par FranceConnect",
            "vrai ou faux est attendu",
        ),
        "/applicant/contact/email": ("Courriel", "une adresse électronique"),
        "/applicant/contact/telephone": ("telephone", "champ inconnu"),
        "/applicant/address/street": ("Numéro et voie", "au plus 255 caractères"),
        "/data": ("Données de la démarche", "un groupe de champs est attendu"),
        "/received_at": ("Date de dépôt", "un texte est attendu"),
        "/…": ("…", "champ inconnu"),
    }


@pytest.mark.parametrize("raw", [None, [], "texte", 7])
def test_an_envelope_is_an_object(raw):
    assert told(validate_envelope, raw) == {"": ("Demande", "un groupe de champs est attendu")}


def test_what_only_the_model_refuses_is_told_too():
    contact = {"email": "lea@-bad-.fr"}
    wrong = LEA | {"applicant": LEA["applicant"] | {"contact": contact}}
    assert told(validate_envelope, wrong).keys() == {"/applicant/contact/email"}


# The data of a kind.

SCHOOL = {
    "type": "object",
    "title": "Inscription scolaire",
    "required": ["enfants", "regime"],
    "properties": {
        "enfants": {
            "type": "array",
            "title": "Enfants",
            "maxItems": 3,
            "items": {"$ref": "#/$defs/enfant"},
        },
        "regime": {"title": "Régime", "enum": ["standard", "sans_porc"]},
        "quotient": {"type": "number", "title": "Quotient familial", "minimum": 0.5},
        "immatriculation": {
            "type": "string",
            "title": "Plaque",
            "pattern": "^[A-Z]{2}-",
            "x-format-hint": "AA-123-AA",
        },
        "assurance": {"type": "string", "title": "Numéro de contrat"},
        "joindre": {
            "title": "Personne à joindre",
            "type": "object",
            "properties": {"courriel": {"title": "Courriel"}, "telephone": {"title": "Téléphone"}},
            "anyOf": [{"required": ["courriel"]}, {"required": ["telephone"]}],
        },
        "paiement": {
            "title": "Paiement",
            "oneOf": [
                {
                    "properties": {"mode": {"const": "carte"}},
                    "required": ["mode"],
                    "additionalProperties": False,
                },
                {
                    "properties": {
                        "mode": {"const": "prelevement"},
                        "iban": {"title": "IBAN", "minLength": 14},
                    },
                    "required": ["mode", "iban"],
                },
            ],
        },
        "niveau": {
            "title": "Niveau",
            "oneOf": [{"const": "CP", "title": "Cours préparatoire"}, {"const": "CE1"}],
        },
        "note": {"title": "Note", "anyOf": [{"type": "integer"}, {"type": "string"}, {"type": "null"}]},
    },
    "if": {"properties": {"regime": {"const": "sans_porc"}}, "required": ["regime"]},
    "then": {"required": ["assurance"], "properties": {"note": False}},
    "additionalProperties": False,
    "$defs": {
        "enfant": {
            "type": "object",
            "required": ["prenom", "naissance"],
            "properties": {
                "prenom": {"type": "string", "title": "Prénom de l'enfant", "maxLength": 38},
                "naissance": {"$ref": "#/$defs/jour", "title": "Né(e) le"},
            },
        },
        "jour": {"type": "string", "format": "date", "title": "Jour"},
    },
}
ZOE = {"prenom": "Zoé", "naissance": "2019-03-14"}
WISE = {"enfants": [ZOE], "regime": "standard"}


def school(**more):
    return told(validate_data, Draft202012Validator(SCHOOL, validate_formats=True), SCHOOL, WISE | more)


def test_good_data_pass():
    validate_data(Draft202012Validator(SCHOOL, validate_formats=True), SCHOOL, WISE)


@pytest.mark.parametrize(
    ("wrong", "pointer", "field", "message"),
    [
        (
            {"enfants": [ZOE | {"prenom": CANARY * 4}]},
            "/data/enfants/0/prenom",
            "Prénom de l'enfant",
            "au plus 38 caractères",
        ),
        (
            {"enfants": [ZOE, {"prenom": "Max"}]},
            "/data/enfants/1/naissance",
            "Né(e) le",
            "ce champ est obligatoire",
        ),
        (
            {"enfants": [ZOE | {"naissance": "2019-02-29"}]},
            "/data/enfants/0/naissance",
            "Né(e) le",
            "une date existante, au format AAAA-MM-JJ",
        ),
        ({"enfants": [CANARY]}, "/data/enfants/0", "Enfants", "un groupe de champs est attendu"),
        ({"enfants": [ZOE] * 4}, "/data/enfants", "Enfants", "au plus 3 éléments"),
        (
            {"regime": CANARY},
            "/data/regime",
            "Régime",
            "valeur non prévue ; valeurs possibles : standard, sans_porc",
        ),
        ({"quotient": 0.1}, "/data/quotient", "Quotient familial", "au moins 0,5"),
        (
            {"immatriculation": CANARY},
            "/data/immatriculation",
            "Plaque",
            "format non reconnu ; attendu : AA-123-AA",
        ),
        ({"regime": "sans_porc"}, "/data/assurance", "Numéro de contrat", "ce champ est obligatoire"),
        (
            {"regime": "sans_porc", "assurance": "1", "note": 1},
            "/data/note",
            "Note",
            "champ non admis ici",
        ),
        (
            {"joindre": {}},
            "/data/joindre",
            "Personne à joindre",
            "remplir au moins l'un de ces champs : Courriel, Téléphone",
        ),
        (
            {"paiement": {"mode": "prelevement"}},
            "/data/paiement/iban",
            "IBAN",
            "ce champ est obligatoire",
        ),
        (
            {"paiement": {"mode": "prelevement", "iban": CANARY[:9]}},
            "/data/paiement/iban",
            "IBAN",
            "au moins 14 caractères",
        ),
        ({"paiement": {"mode": "carte", "iban": CANARY}}, "/data/paiement/iban", "IBAN", "champ inconnu"),
        ({"niveau": CANARY}, "/data/niveau", "Niveau", "valeur non prévue ; valeurs possibles : CP, CE1"),
        ({"note": [CANARY]}, "/data/note", "Note", "un nombre entier ou un texte est attendu"),
        ({"surprise": CANARY}, "/data/surprise", "surprise", "champ inconnu"),
        ({"s" * 500: 1}, "/data/" + "s" * 40, "s" * 40, "champ inconnu"),
        ({f"<b>{CANARY}": 1}, "/data/…", "…", "champ inconnu"),
    ],
)
def test_each_fault_is_told_at_its_field_in_the_words_of_the_form(wrong, pointer, field, message):
    assert school(**wrong) == {pointer: (field, message)}


def test_all_faults_are_told_but_not_thousands():
    assert len(school(**{f"champ{n}": CANARY for n in range(2000)})) == 50

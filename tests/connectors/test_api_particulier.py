"""API Particulier: who is not found is an answer, every code has a meaning, and a token that must keep still does."""

from __future__ import annotations

import csv
import json
import re
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import orjson
import pytest
from jsonschema_rs import validator_for
from pydantic import ValidationError

import connectors.api_particulier
from connectors._transport.etat import BAN, SILENCES, TOKEN, Hold
from connectors._transport.http import Answer
from connectors.api_particulier.sandbox import Sandbox
from connectors.api_particulier.wire import SERVICES
from hub.connector import Deadline, Exchange, Outbound
from hub.errors import DeliveryError, RefusedError, TransientError, UncertainError
from hub.manifest import ErrorTable, Manifest
from hub.model import DeliveryKey, Effect, Verdict

FOLDER = Path(connectors.api_particulier.__file__).parent
ERRORS = ErrorTable.read(FOLDER)
CODES = list(csv.DictReader((FOLDER / "contract" / "codes.tsv").open(encoding="utf-8"), delimiter="\t"))
CASES = orjson.loads((FOLDER / "contract" / "cases.json").read_bytes())
QF = "quotient_familial"
SAMPLE = Sandbox().sample(QF)


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at

    def move(self, by: timedelta) -> None:
        self.at += by.total_seconds()


def message(fields=SAMPLE, operation=QF, within: float = 5) -> Outbound:
    return Outbound(DeliveryKey("167046020-1"), operation, orjson.dumps(fields), Deadline(timedelta(seconds=within)))


def soon() -> Deadline:
    return Deadline(timedelta(seconds=5))


@asynccontextmanager
async def facing(**settings):
    sandbox = Sandbox()
    await sandbox.start()
    connector = connectors.api_particulier.connect({**sandbox.settings(), **settings}, ERRORS)
    connector.api.hold._clock = sandbox.clock = Clock()
    try:
        yield connector, sandbox
    finally:
        await connector.close()
        await sandbox.stop()


@pytest.mark.parametrize(
    ("operation", "case"),
    [pytest.param(name, case, id=f"{name}: {case['title']}") for name, cases in CASES.items() for case in cases],
)
async def test_each_case_is_told_whole(operation, case):
    async with facing() as (api, _):
        asked = message(case["params"], operation)
        receipt = await api.deliver(asked)
        assert receipt.details == {
            "trouve": True,
            "absents": [],
            "en_cache": False,
            "meta": {},
            "data": case["data"],
        }
        assert asked.exchange.sent.startswith(SERVICES[operation].path.encode())


@pytest.mark.parametrize("operation", SERVICES)
async def test_nobody_found_is_an_answer_that_a_route_can_branch_on(operation):
    async with facing() as (api, sandbox):
        nobody = {**sandbox.sample(operation), "nomNaissance": "PERSONNE"}
        assert (await api.deliver(message(nobody, operation))).details == {"trouve": False}


async def test_one_code_of_two_meanings_is_told_apart_by_its_title():
    async with facing() as (api, sandbox):
        sandbox.break_with("unknown_person")
        assert (await api.deliver(message())).details == {"trouve": False}
        sandbox.break_with("breakdown")
        with pytest.raises(TransientError, match=r"^erreur_inattendue$"):
            await api.deliver(message())


async def test_a_404_that_is_not_the_api_s_never_says_that_nobody_is_there():
    async with facing() as (api, sandbox):
        sandbox.break_with("old_version")
        with pytest.raises(RefusedError, match=r"^http_404$"):
            await api.deliver(message())


async def test_a_path_the_api_does_not_have_is_a_refusal():
    async with facing() as (api, sandbox):
        sandbox.probe_path = "/ailleurs"
        with pytest.raises(RefusedError, match=r"^http_404$"):
            await api.probe(soon())


async def test_what_the_token_does_not_open_is_said_to_be_missing():
    async with facing() as (api, sandbox):
        sandbox.scopes = frozenset({"quotient_familial", "enfants"})
        details = (await api.deliver(message())).details
        assert details["absents"] == ["allocataires", "adresse"]
        assert details["data"]["quotient_familial"]["valeur"] == 742


async def test_an_answer_from_the_api_s_own_cache_is_said_to_be_one():
    async with facing() as (api, _):
        assert (await api.deliver(message())).details["en_cache"] is False
        assert (await api.deliver(message())).details["en_cache"] is True


def test_every_code_of_the_api_has_a_meaning():
    assert len(CODES) == 66
    silent = [row for row in CODES if not (found := ERRORS.find(row["code"])) or not found.hint]
    assert silent == []
    assert all(row.hint for row in ERRORS.error)


MEANS = {
    "401": Verdict.TRANSIENT,
    "403": Verdict.REFUSED,
    "404": Verdict.ACCEPTED,
    "409": Verdict.TRANSIENT,
    "400": Verdict.REFUSED,
    "422": Verdict.REFUSED,
    "429": Verdict.TRANSIENT,
    "502": Verdict.TRANSIENT,
    "503": Verdict.TRANSIENT,
    "504": Verdict.TRANSIENT,
}


@pytest.mark.parametrize("row", CODES, ids=lambda row: f"{row['code']}-{row['http']}")
def test_each_code_means_what_its_status_does(row):
    assert ERRORS.find(row["code"]).verdict is MEANS[row["http"]]


@pytest.mark.parametrize("row", [row for row in CODES if row["http"] in {"400", "422"}], ids=lambda row: row["code"])
def test_a_refusal_names_the_parameter_at_fault(row):
    assert ERRORS.find(row["code"]).hint.startswith(row["sens"].split()[0])


@pytest.mark.parametrize(
    ("fault", "wait"),
    [
        ("in_progress", timedelta(seconds=5)),
        ("network", timedelta(seconds=10)),
        ("provider_slow", timedelta(minutes=1)),
        ("provider_two_days", timedelta(days=2)),
        ("unknown_token", timedelta(minutes=15)),
    ],
)
async def test_it_is_asked_again_when_the_provider_wants_to(fault, wait):
    async with facing() as (api, sandbox):
        sandbox.break_with(fault)
        with pytest.raises(TransientError) as caught:
            await api.deliver(message())
        assert caught.value.retry_after == wait


async def test_the_exchange_names_the_code_and_the_parameter_at_fault():
    async with facing() as (api, sandbox):
        sandbox.break_with("no_recipient")
        asked = message()
        with pytest.raises(RefusedError, match=r"^00203$"):
            await api.deliver(asked)
        assert asked.exchange.fault == "00203 recipient"


async def test_a_wrong_token_parks_nothing():
    async with facing(bearer="faux") as (api, _):
        for spoken in (api.probe(soon()), api.deliver(message())):
            with pytest.raises(TransientError, match=r"^00101$"):
                await spoken


async def test_when_nothing_remains_of_the_quota_nothing_leaves_before_its_end():
    async with facing() as (api, sandbox):
        sandbox.limit, sandbox.window = 1, 60
        await api.deliver(message())
        for spoken in (api.deliver(message()), api.probe(soon())):
            with pytest.raises(TransientError, match=r"^quota$") as caught:
                await spoken
            assert timedelta() < caught.value.retry_after <= timedelta(seconds=62)
        assert sandbox.calls == 1
        sandbox.clock.move(timedelta(seconds=62))
        sandbox.limit = 10
        await api.deliver(message())


async def test_after_a_429_nothing_leaves_before_the_wait_that_was_asked():
    async with facing() as (api, sandbox):
        sandbox.break_with("too_many")
        with pytest.raises(TransientError, match=r"^http_429$") as caught:
            await api.deliver(message())
        assert caught.value.retry_after == timedelta(seconds=1)
        with pytest.raises(TransientError, match=r"^quota$"):
            await api.deliver(message())
        assert sandbox.calls == 0
        sandbox.clock.move(timedelta(seconds=1))
        await api.deliver(message())


async def test_the_sandbox_warns_then_answers_nothing_any_more_to_who_goes_on():
    async with facing() as (api, sandbox):
        sandbox.limit, sandbox.window, sandbox.patience = 1, 60, 1
        statuses = []
        for _ in range(2):
            api.api.hold = Hold(timedelta())
            answer = await api.api.ask("/v3/ailleurs", [("recipient", "1")], Exchange(), soon())
            statuses.append(answer.status)
        api.api.hold = Hold(timedelta())
        with pytest.raises(UncertainError, match=r"^timeout$"):
            await api.deliver(message(within=0.3))
        assert (statuses, sandbox.banned) == ([404, 429], True)


NOBODY = r"^(timeout|connect)$"


async def banned_after(api, sandbox, silences: int) -> None:
    """A 429, then as many calls that nobody answers."""
    sandbox.break_with("too_many")
    with pytest.raises(TransientError):
        await api.deliver(message())
    sandbox.clock.move(timedelta(seconds=1))
    sandbox.banned = True
    for _ in range(silences):
        with pytest.raises(DeliveryError, match=NOBODY):
            await api.deliver(message(within=0.3))


async def test_silence_after_a_429_is_a_ban_and_nothing_leaves_for_twelve_hours():
    async with facing(silence="0s") as (api, sandbox):
        await banned_after(api, sandbox, SILENCES)
        seen = sandbox.calls
        with pytest.raises(TransientError, match=r"^banni$") as caught:
            await api.deliver(message())
        assert (caught.value.retry_after, sandbox.calls) == (BAN, seen)
        sandbox.clock.move(BAN)
        sandbox.banned = False
        assert (await api.deliver(message())).details["trouve"]


async def test_a_ban_that_outlasts_its_twelve_hours_is_noticed_again():
    async with facing(silence="0s") as (api, sandbox):
        await banned_after(api, sandbox, SILENCES)
        sandbox.clock.move(BAN)
        for _ in range(SILENCES):
            with pytest.raises(DeliveryError, match=NOBODY):
                await api.deliver(message(within=0.3))
        with pytest.raises(TransientError, match=r"^banni$"):
            await api.deliver(message())


async def test_one_answer_between_two_silences_is_no_ban():
    async with facing(silence="0s") as (api, sandbox):
        await banned_after(api, sandbox, SILENCES - 1)
        sandbox.banned = False
        await api.deliver(message())
        sandbox.banned = True
        for _ in range(SILENCES + 1):
            with pytest.raises(DeliveryError, match=NOBODY):
                await api.deliver(message(within=0.3))


async def test_a_caller_in_a_hurry_does_not_take_a_slow_provider_for_a_ban():
    async with facing() as (api, sandbox):
        await banned_after(api, sandbox, SILENCES + 1)


async def test_silence_without_a_warning_is_no_ban():
    async with facing(silence="0s") as (api, sandbox):
        sandbox.banned = True
        for _ in range(SILENCES + 1):
            with pytest.raises(DeliveryError, match=NOBODY):
                await api.deliver(message(within=0.3))


async def test_a_server_that_is_down_after_a_429_is_no_ban():
    async with facing(silence="0s") as (api, sandbox):
        await banned_after(api, sandbox, 0)
        await sandbox.stop()
        for _ in range(SILENCES + 1):
            with pytest.raises(DeliveryError, match=r"^(connect|reset)$"):
                await api.deliver(message())


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"ratelimit-remaining": "3", "ratelimit-reset": "1637223155"}, None),
        ({"ratelimit-remaining": "0", "ratelimit-reset": "1637223155"}, 40),
        ({"ratelimit-remaining": "0", "ratelimit-reset": "1637223100"}, None),
        ({"ratelimit-remaining": "0", "ratelimit-reset": "bientôt"}, 60),
        ({"ratelimit-remaining": "0", "ratelimit-reset": "9999999999999"}, 3600),
        ({}, None),
    ],
)
def test_the_end_of_the_quota_is_read_by_the_api_s_own_clock(headers, wait):
    clock = Clock()
    hold = Hold(timedelta(seconds=10), clock)
    hold.heard(Answer(200, {"date": "Thu, 18 Nov 2021 08:11:55 GMT", **headers}, b""))
    if wait is None:
        hold.begin()
        return
    with pytest.raises(TransientError, match=r"^quota$") as caught:
        hold.begin()
    assert caught.value.retry_after == timedelta(seconds=wait)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"nomNaissance": ""}, "nomNaissance"),
        ({"prenoms": []}, "prenoms"),
        ({"prenoms": ["A", "B", "C", "D"]}, "prenoms"),
        ({"sexeEtatCivil": "X"}, "sexeEtatCivil"),
        ({"moisDateNaissance": "3"}, "moisDateNaissance"),
        ({"anneeDateNaissance": None}, "Value error, moisDateNaissance"),
        ({"moisDateNaissance": None}, "Value error, jourDateNaissance"),
        ({"codeCogInseeCommuneNaissance": None}, "Value error, codeCogInseeCommuneNaissance"),
        ({"codeCogInseePaysNaissance": "99139"}, "Value error, codeCogInseeCommuneNaissance"),
        ({"codeCogInseePaysNaissance": "FR"}, "codeCogInseePaysNaissance"),
        ({"nomCommuneNaissance": "Gardanne"}, "Value error, nomCommuneNaissance"),
        ({"surprise": 1}, "surprise"),
    ],
)
async def test_what_the_contract_does_not_allow_is_never_asked(change, field):
    async with facing() as (api, sandbox):
        wrong = message({**SAMPLE, **change})
        with pytest.raises(RefusedError, match=r"^message_invalid$"):
            await api.deliver(wrong)
        assert wrong.exchange.fault.startswith(field)
        assert sandbox.calls == 0


@pytest.mark.parametrize(
    ("operation", "change"),
    [
        ("statut_etudiant", {"prenoms": ["SACHA", "ELI"]}),
        ("scolarites", {"codesBcnDepartements": None}),
        ("scolarites", {"codeEtablissement": "9990002B"}),
        ("scolarites", {"codesBcnRegions": ["18"]}),
        ("etudiant_boursier", {"jourDateNaissance": None}),
        ("revenu_solidarite_active", {"annee": 2026}),
    ],
)
async def test_each_provider_wants_its_own_parameters(operation, change):
    async with facing() as (api, sandbox):
        with pytest.raises(RefusedError, match=r"^message_invalid$"):
            await api.deliver(message({**sandbox.sample(operation), **change}, operation))


@pytest.mark.parametrize(
    "body",
    [
        b'{"data": []}',
        b'{"data": null}',
        b'{"errors": []}',
        b"[]",
        b'{"data": {"quotient_familial": {"valeur": "742"}}}',
        b'{"data": {}, "meta": []} trop',
    ],
)
async def test_an_answer_that_is_not_as_promised_is_a_doubt(body):
    async with facing() as (api, _):
        with pytest.raises(UncertainError, match=r"^unreadable$"):
            api.api.read(Answer(200, {}, body), Exchange(), api._schemas[QF])


def test_a_code_for_nobody_that_does_not_come_with_a_404_is_a_doubt():
    connector = connectors.api_particulier.connect({**Sandbox().settings(), "url": "http://127.0.0.1:9"}, ERRORS)
    answer = Answer(500, {}, b'{"errors": [{"code": "23003"}]}')
    assert isinstance(connector.api.failure(answer, Exchange()), UncertainError)


def test_settings_without_a_token_are_refused():
    with pytest.raises(ValidationError, match="answers to a token only"):
        connectors.api_particulier.connect({"url": "http://127.0.0.1:9", "recipient": "21990001100014"}, ERRORS)


def test_a_token_may_come_from_a_file(tmp_path):
    (tmp_path / "jeton").write_text(f"{TOKEN}\n")
    settings = {"url": "http://127.0.0.1:9", "recipient": "21990001100014", "bearer_file": tmp_path / "jeton"}
    connector = connectors.api_particulier.connect(settings, ERRORS)
    assert connector.api._http._headers["Authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize("operation", SERVICES)
def test_the_published_contract_is_the_one_we_read(operation):
    published = json.loads((FOLDER / "contract" / f"{operation}.json").read_text("utf-8"))
    assert published.pop("$schema")
    assert published == SERVICES[operation].asks.model_json_schema()
    for case in CASES[operation]:
        validator_for(published).validate(case["params"])


def test_every_operation_only_asks_and_may_be_answered_again_for_a_day():
    operations = Manifest.read(FOLDER).operations
    assert operations.keys() == SERVICES.keys() == CASES.keys()
    assert {(operation.effect, operation.cache) for operation in operations.values()} == {
        (Effect.SAFE, timedelta(hours=24))
    }


def test_the_example_of_the_readme_is_a_question():
    [block] = re.findall(r"```json\n(.*?)```", (FOLDER / "README.md").read_text("utf-8"), re.DOTALL)
    SERVICES[QF].asks.model_validate_json(block, strict=True)

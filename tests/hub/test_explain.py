"""A stored request is explained under its own definition and the current one, masked unless somebody answers for it."""

import asyncio
import json

import pytest
from sqlalchemy import delete, select
from typer.testing import CliRunner

from hub.access import Role
from hub.audit import HeadlessError
from hub.audit_pages import Sought, newest
from hub.auditor import at_the_keyboard
from hub.cli_trial import trials
from hub.tables import EVENTS
from hub.tables_audit import AUDIT_HEAD
from hub.trials.mask import masked

SECRETS = ("un objet", "Lefèvre", "Léa", "lea@example.org", "06 39")


@pytest.fixture
def explained(settings, tmp_path):
    """Give a function that runs the verb on the installation's ledger."""
    (tmp_path / "hub.yaml").write_text(
        json.dumps({"database": settings.database, "secret_file": "secret", "homes": ["home"]})
    )

    async def run(number, *words):
        said = ["explain", number, "-c", str(tmp_path / "hub.yaml"), *words]
        return await asyncio.to_thread(CliRunner().invoke, trials, said)

    return run


def change(tmp_path, before, after, file="mappings/cible/deposer.yaml"):
    place = tmp_path / "home" / file
    text = place.read_text()
    assert before in text
    place.write_text(text.replace(before, after))


async def test_a_stored_request_is_explained_without_its_words(resting, open_desk, explained):
    desk = await open_desk(resting)
    number = await desk.submitted()
    ended = await explained(number, "--json")
    assert ended.exit_code == 0, ended.output
    said = json.loads(ended.stdout)
    [step] = said["pinned"]["steps"]
    [message] = step["messages"]
    assert message["key"] == f"{number}-1"
    assert message["message"] == {"objet": "xx xxxxx", "numero": "999999999"}
    assert message["elements"][0]["sources"] == {"data.objet": "xx xxxxx"}
    assert (said["pinned"]["version"], said["differences"], said["revealed"]) == (said["current"]["version"], [], False)
    shown = await explained(f"{number[:3]} {number[3:6]} {number[6:]}")
    assert "writes the same" in shown.stdout
    assert not [secret for secret in SECRETS if secret in ended.output + shown.output]


async def test_what_the_current_definition_would_change_is_told_by_element(resting, open_desk, explained, tmp_path):
    desk = await open_desk(resting)
    number = await desk.submitted()
    change(tmp_path, "objet: data.objet, numero", "objet: $uppercase(data.objet), depuis: kind, numero")
    said = json.loads((await explained(number, "--json")).stdout)
    assert said["pinned"]["version"] != said["current"]["version"]
    assert [(one["step"], one["element"], one["cause"]) for one in said["differences"]] == [
        ("cible", "objet", "case"),
        ("cible", "depuis", "added"),
    ]
    assert said["differences"][0]["current"] == "XX XXXXX"
    assert "what the current definition" in (await explained(number)).stdout


async def test_values_are_revealed_once_the_audit_has_it(resting, open_desk, explained):
    desk, operator = await open_desk(resting), await open_desk(resting, Role.OPERATOR, "*")
    number = await desk.submitted()
    said = json.loads((await explained(number, "--reveal", "--json")).stdout)
    assert said["pinned"]["steps"][0]["messages"][0]["message"]["objet"] == "un objet"
    audit = (await operator.get(f"/v1/operations/deliveries/{number}-1")).json()["audit"]
    [line] = [line for line in audit if line["kind"] == "reveal"]
    assert line["actor"].startswith("terminal/")
    assert line["note"] == "explain"
    assert "reveal" not in json.dumps((await desk.get(f"/v1/requests/{number}")).json())


async def test_a_revealed_request_is_a_row_of_the_audits_chain(resting, open_desk, explained):
    desk = await open_desk(resting)
    number = await desk.submitted()
    assert (await explained(number, "--reveal", "--json")).exit_code == 0
    [row] = await resting.ledger.read(newest, Sought(about=f"request {number}"))
    assert (row.actor, row.action, row.outcome) == (at_the_keyboard(), "reveal", "allow")
    assert json.loads(row.detail) == {"reason": resting.keeper.digest("explain")}


async def test_nothing_is_revealed_that_the_audit_cannot_tell(resting, open_desk, explained):
    desk = await open_desk(resting)
    number = await desk.submitted()
    with resting.ledger.engine.begin() as connection:
        connection.execute(delete(AUDIT_HEAD))
    ended = await explained(number, "--reveal")
    assert isinstance(ended.exception, HeadlessError)
    assert ended.stdout == ""
    rows = await resting.ledger.read(lambda connection: connection.execute(select(EVENTS.c.kind)).all())
    assert "reveal" not in {row.kind for row in rows}


async def test_masked_reading_leaves_no_line_in_the_audit(resting, open_desk, explained):
    desk = await open_desk(resting)
    number = await desk.submitted()
    await explained(number)
    rows = await resting.ledger.read(lambda connection: connection.execute(select(EVENTS.c.kind)).all())
    assert "reveal" not in {row.kind for row in rows}


async def test_both_outcomes_are_shown_and_which_one_was_decided(resting, open_desk, explained):
    desk, agent = await open_desk(resting), await open_desk(resting, Role.AGENT, "*")
    number = await desk.submitted("avis")
    said = {"accept": False, "reason": "Justificatif de domicile invalide"}
    assert (await agent.post(f"/v1/requests/{number}/decision", json=said)).status_code == 200
    told = json.loads((await explained(number, "--json")).stdout)
    [decision, deliver] = told["pinned"]["steps"]
    assert (decision["decided"], decision["reason"]) == ("refused", "Justificatif de domicile invalide")
    assert deliver["messages"][0]["mapping"] == "cible/deposer"


async def test_items_are_explained_each_with_its_own_key(running, open_desk, explained):
    desk = await open_desk(running)
    number = await desk.submitted("rues", data={"objet": "1", "rues": ["Rue Haute", "Rue Basse"]})
    assert (await desk.post(f"/v1/requests/{number}/decision", json={"accept": True})).status_code == 200
    await desk.until(number, "done")
    [_, streets, _] = json.loads((await explained(number, "--json")).stdout)["pinned"]["steps"]
    assert [(one["key"], one["item"]) for one in streets["messages"]] == [
        (f"{number}-1", "Xxx Xxxxx"),
        (f"{number}-2", "Xxx Xxxxx"),
    ]


async def test_a_kind_that_is_gone_is_explained_as_it_was(resting, open_desk, explained, tmp_path):
    desk = await open_desk(resting)
    number = await desk.submitted()
    (tmp_path / "home/routes/essai/route.yaml").unlink()
    said = json.loads((await explained(number, "--json")).stdout)
    assert (said["current"], said["differences"]) == (None, [])
    assert len(said["pinned"]["steps"]) == 1


async def test_a_number_that_names_nothing_is_exit_code_2(resting, explained):
    for number in ("999999999", "abc"):
        ended = await explained(number)
        assert ended.exit_code == 2
        assert "no request of this ledger has this number" in " ".join(ended.stderr.replace("│", "").split())


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("Léa-12 É", "Xxx-99 X"),
        ("2019-03-14", "9999-99-99"),
        (640.5, 999.9),
        (-12, 99),
        (True, "‹true or false›"),
        (None, None),
        ({"nom": ["王", "a"]}, {"nom": ["x", "x"]}),
        ("٣", "9"),
    ],
)
def test_a_masked_value_keeps_its_type_its_length_and_its_shape(value, shown):
    assert masked(value) == shown

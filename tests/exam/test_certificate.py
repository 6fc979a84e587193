"""A certificate says how far a connector has been proved, why no further, and whether it claims more."""

import json
import shutil

import pytest
from typer.testing import CliRunner

from hub.cli_exam import exams
from hub.exam.examination import NOT_ASKED, REAL, Certificate, Mark, sit
from hub.exam.papers import CHECKS, Tier, papers
from hub.settings import HOME

RUN = CliRunner()


def certificate(claimed="bronze", **passed):
    marks = tuple(Mark(f"a {tier} thing", Tier(tier), one, "why" * (one is not True)) for tier, one in passed.items())
    return Certificate("essai", claimed, marks)


@pytest.mark.parametrize(
    ("passed", "tier"),
    [
        ({"bronze": True, "silver": True, "gold": True}, "gold"),
        ({"bronze": True, "silver": True, "gold": None}, "silver"),
        ({"bronze": True, "silver": False, "gold": True}, "bronze"),
        ({"bronze": False, "silver": True, "gold": True}, None),
    ],
)
def test_a_tier_needs_everything_below_it(passed, tier):
    assert certificate(**passed).tier == tier


@pytest.mark.parametrize(
    ("claimed", "passed", "holds"),
    [
        ("bronze", {"bronze": True, "silver": False, "gold": False}, True),
        ("silver", {"bronze": True, "silver": False, "gold": True}, False),
        ("silver", {"bronze": True, "silver": True, "gold": False}, True),
        ("gold", {"bronze": True, "silver": True, "gold": None}, True),
        ("gold", {"bronze": True, "silver": True, "gold": False}, False),
        ("bronze", {"bronze": False, "silver": True, "gold": True}, False),
        ("platinum", {"bronze": True, "silver": True, "gold": True}, False),
    ],
)
def test_a_claim_holds_unless_what_was_asked_gainsays_it(claimed, passed, holds):
    assert certificate(claimed, **passed).holds is holds


def test_it_says_why_it_goes_no_further():
    assert certificate(bronze=True, silver=False, gold=None).reasons == [
        "silver: a silver thing: why",
        "gold: a gold thing: why",
    ]


async def test_a_real_target_makes_gold(parking):
    sandbox = parking.new_sandbox()
    await sandbox.start()
    real = parking.connect(sandbox.settings(), parking.errors)
    given = Certificate("parking", "silver", tuple([one async for one in sit(parking, real)]))
    await sandbox.stop()
    down = [one async for one in sit(parking, real)][-1]
    await real.close()
    assert (given.tier, given.reasons) == ("gold", [])
    assert (down.check, down.passed, down.reason) == (REAL, False, "connect")


@pytest.fixture
def home(parking, tmp_path):
    """An installation with a connector of its own."""
    folder = tmp_path / "connectors/essai_examen"
    shutil.copytree(parking.folder, folder)
    manifest = folder / "connector.toml"
    manifest.write_text(manifest.read_text("utf-8").replace('"parking"', '"essai_examen"'))
    (tmp_path / "hub.yaml").write_text("homes: [.]\n")
    return tmp_path


def test_the_guide_lists_everything_that_is_asked():
    guide = (HOME / "docs/exam.md").read_text("utf-8").partition("## What is asked")[2].partition("Beside these")[0]
    shown = [
        tuple(cell.strip() for cell in line.strip("|").split("|")) for line in guide.splitlines() if line[:1] == "|"
    ]
    assert shown[2:] == [*((check.title, check.tier) for check in CHECKS), (REAL, "gold")]


def examine(home, *words):
    return RUN.invoke(exams, [*words, "-c", str(home / "hub.yaml")])


def test_the_command_line_gives_it_as_json(home, parking):
    said = examine(home, "essai_examen", "--json")
    found = json.loads(said.stdout)
    assert (said.exit_code, found["tier"], found["claimed"], found["holds"]) == (0, "silver", "silver", True)
    assert found["reasons"] == [f"gold: {REAL}: {NOT_ASKED}"]
    assert [one["check"] for one in found["checks"]] == [*(check.title for check in papers(parking)), REAL]


def test_the_command_line_shows_it_to_people(home):
    file = home / "connectors/essai_examen/connector.toml"
    file.write_text(file.read_text("utf-8").replace('"observed"', '"hypothetical"').replace('"silver"', '"gold"'))
    said = examine(home, "essai_examen")
    assert said.exit_code == 1
    assert "✗ it claims no tier that it cannot have: its contract is hypothetical" in said.stderr
    assert "essai_examen: no tier (it claims gold, which it cannot)" in said.stdout
    assert (
        "  not gold: its contract is public, observed or a third party's: its contract is hypothetical" in said.stdout
    )


@pytest.mark.parametrize("words", [["siecle"], ["horloge"], ["essai_examen", "--target", "nulle_part"]])
def test_what_cannot_be_examined_is_said(home, words):
    assert examine(home, *words).exit_code == 2

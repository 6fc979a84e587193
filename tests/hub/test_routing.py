"""Where a request stands is a pure function of what the ledger knows."""

from itertools import product

import pytest

from hub.errors import ConfigurationError, MappingError
from hub.lifecycle import FINAL, State
from hub.model import FINAL_STATUSES, Status
from hub.routing import Decision, Fact, Route, RouteFile
from hub.yamlfile import read_yaml

TEXT = """
route: periscolaire.essai
title: Essai
owner: direction-education
steps:
  - await: decision
    id: instruction
    stage: En cours d'instruction
    reasons: [Assurance invalide]
    on_refusal:
      - {notify: courriel, id: refus, using: courriel/refus}
  - branch: data.urgent = true
    then:
      - {deliver: logitud, using: logitud/acte}
    otherwise:
      - {deliver: sig, using: sig/plainte}
  - {deliver: technocarte, using: technocarte/enfant, for_each: data.enfants}
  - {notify: courriel, id: famille, using: courriel/famille}
"""
YES = {"instruction": Decision("instruction", accepted=True)}
NO = {"instruction": Decision("instruction", accepted=False, reason="Assurance invalide")}
DOCUMENT = {"data": {"urgent": True, "enfants": ["Zoé", "Tom"]}}


@pytest.fixture
def route():
    return Route(read_yaml("routes/essai/route.yaml", TEXT, RouteFile))


def asked(progress):
    return [(plan.step, plan.item) for plan in progress.planned]


def test_it_waits_for_a_person(route):
    progress = route.progress(DOCUMENT, (), {})
    assert (progress.status, progress.awaiting, progress.stage) == (
        Status.WAITING,
        "instruction",
        "En cours d'instruction",
    )


def test_a_refusal_ends_it_and_tells_the_family(route):
    progress = route.progress(DOCUMENT, (), NO)
    assert (progress.status, progress.stage, asked(progress)) == (
        Status.REFUSED,
        "Assurance invalide",
        [("refus", 0)],
    )


@pytest.mark.parametrize(("urgent", "step"), [(True, "logitud"), (False, "sig"), (None, "sig")])
def test_a_branch_is_taken_by_its_condition(route, urgent, step):
    document = {"data": {**DOCUMENT["data"], "urgent": urgent}}
    assert asked(route.progress(document, (), YES)) == [(step, 0)]


def test_steps_follow_one_another_and_a_list_starts_all_its_items(route):
    facts = [Fact("logitud", 0, State.DELIVERED)]
    assert asked(route.progress(DOCUMENT, facts, YES)) == [("technocarte", 0), ("technocarte", 1)]


def test_a_notification_holds_nothing_up(route):
    facts = [
        Fact("logitud", 0, State.DELIVERED),
        *(Fact("technocarte", item, State.DELIVERED) for item in (0, 1)),
        Fact("famille", 0, State.PARKED, "Erreur Courriel"),
    ]
    assert route.progress(DOCUMENT, facts, YES).status is Status.DONE


@pytest.mark.parametrize(("first", "second"), list(product(State, State)))
def test_every_combination_of_states_has_one_reading(route, first, second):
    facts = [
        Fact("logitud", 0, State.DELIVERED),
        Fact("technocarte", 0, first, "Erreur Technocarte" if first is State.PARKED else ""),
        Fact("technocarte", 1, second, "Erreur Technocarte" if second is State.PARKED else ""),
    ]
    progress = route.progress(DOCUMENT, facts, YES)
    assert (progress.status in FINAL_STATUSES) == ({first, second} <= FINAL)
    assert (progress.status is Status.PARKED) == (State.PARKED in {first, second})
    assert (progress.stage == "Erreur Technocarte") == (State.PARKED in {first, second})


def test_the_same_facts_always_plan_the_same(route):
    facts = [Fact("logitud", 0, State.DELIVERED)]
    assert route.progress(DOCUMENT, facts, YES) == route.progress(DOCUMENT, list(reversed(facts)), dict(YES))


def test_a_cancelled_request_asks_for_nothing(route):
    progress = route.progress(DOCUMENT, (), YES, cancelled=True)
    assert (progress.status, progress.planned) == (Status.CANCELLED, ())


def test_a_condition_that_fails_names_the_route_and_no_value(route):
    broken = Route(read_yaml("x", TEXT.replace("data.urgent = true", "$phone_fr(data.urgent) = 'x'"), RouteFile))
    with pytest.raises(MappingError, match=r"periscolaire\.essai") as failure:
        broken.progress({"data": {"urgent": "canari"}}, (), YES)
    assert "canari" not in str(failure.value)


@pytest.mark.parametrize(
    ("wrong", "line", "expected"),
    [
        (TEXT.replace("id: famille", "id: refus"), None, "two steps are called refus"),
        (TEXT.replace("id: famille", "id: callback"), None, "callback"),
        (TEXT.replace("using: sig/plainte}", "using: sig/plainte, id: plainte_undo}"), None, "what `undo` does"),
        (TEXT.replace("await: decision", "await: godot"), 6, "decision"),
        (TEXT.replace("title: Essai\n", ""), None, "title"),
        (TEXT.replace("- {notify: courriel, id: famille", "- {tell: courriel, id: famille"), 18, "begins with deliver"),
        (TEXT.replace("using: sig/plainte}", "with: sig/plainte}"), 16, "using"),
    ],
)
def test_a_wrong_route_says_what_is_wrong(wrong, line, expected):
    with pytest.raises(ConfigurationError, match=expected) as failure:
        read_yaml("routes/essai/route.yaml", wrong, RouteFile)
    assert failure.value.line == line or line is None

"""Every request is counted once by what its kind declares, again once that may have changed, and nobody's text is."""

import asyncio
import json
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import pytest
from pydantic import ValidationError

from hub.access import EVERY_HOUSE, Principal, Role
from hub.catalogue import Catalogue
from hub.census import BLOCK, Chunk
from hub.facets import OTHER, SEVERAL, Observer, word
from hub.proof.check_steps import check_steps
from hub.routing import Route, RouteFile
from hub.settings import HOME
from hub.surveyor import MOST_VALUES, Count, Surveyor
from hub.tabulation import Question, choices, cross, standing, write_csv
from hub.vault import Vault

EVERYBODY = Principal(prefix="0", front_end=EVERY_HOUSE, role=Role.OPERATOR)
ROUTE = {
    "route": "idempotent",
    "title": "Une démarche",
    "owner": "essais",
    "facets": {"theme": "data.theme", "pris": "$exists($answers.cible.reference)"},
    "place": {"longitude": "data.lon", "latitude": "data.lat", "district": "data.quartier"},
    "steps": [{"deliver": "cible", "using": "cible/idempotent"}],
}


@pytest.fixture
def home(home):
    """Let one kind declare what is counted of it."""
    (home / "routes/idempotent/route.yaml").write_text(json.dumps(ROUTE))
    return home


@pytest.fixture
async def resting_town(make_town):
    """A town that carries nothing, and counts only when asked."""
    async with make_town(serve=False) as town:
        yield town


async def survey(town):
    return await Surveyor(town.hub.ledger).survey()


def count(town, rows="kind", columns="site", caller=EVERYBODY, **kept):
    question = Question.model_validate({"rows": rows, "columns": columns, **kept})
    return town.hub.ledger.look(cross, caller, question)


async def test_every_request_is_counted_once(resting_town):
    town = resting_town
    for kind, site in (("lookup", "ville"), ("lookup", "annexe"), ("once", "ville"), ("idempotent", "ville")):
        await town.submit(kind, site)
    assert await survey(town) == 1
    assert dict(count(town).cells) == {
        ("lookup", "ville"): 1,
        ("lookup", "annexe"): 1,
        ("once", "ville"): 1,
        ("idempotent", "ville"): 1,
    }


async def test_what_is_counted_already_is_not_counted_again(resting_town):
    await resting_town.submit("lookup")
    await survey(resting_town)
    assert await survey(resting_town) == 0


async def test_a_number_that_comes_late_is_counted_in_its_old_block(resting_town):
    town = resting_town
    early = await town.hub.ledger.number()
    town.hub.ledger._numbers = range(early + 10 * BLOCK, early + 10 * BLOCK + 1)
    await town.submit("lookup")
    await survey(town)
    town.hub.ledger._numbers = range(early, early + 1)
    assert await town.submit("lookup") == early
    assert await Surveyor(town.hub.ledger).survey(everywhere=False) == 0
    assert await survey(town) == 1
    assert count(town).total == 2


async def test_a_kind_s_fields_are_crossed(resting_town):
    town = resting_town
    for theme, quartier in (("voirie", "Nord"), ("voirie", "Sud"), ("voirie", "Nord"), ("tag", "Nord"), (None, None)):
        await town.submit("idempotent", theme=theme, quartier=quartier)
    await town.submit("lookup", theme="voirie", quartier="Nord")
    await survey(town)
    table = count(town, "theme", "district", kind="idempotent")
    assert dict(table.cells) == {("voirie", "Nord"): 2, ("voirie", "Sud"): 1, ("tag", "Nord"): 1, ("", ""): 1}
    assert table.rows == ["voirie", "", "tag"]
    assert count(town, district="Nord").total == 3
    assert town.hub.ledger.look(choices, EVERYBODY)["district"] == ["Nord", "Sud"]


async def test_what_a_target_answers_later_is_counted_then(make_town):
    async with make_town() as town:
        await town.settle(await town.submit("idempotent"), "done")
        await survey(town)
        assert dict(count(town, "pris", "site", kind="idempotent").cells) == {("oui", "ville"): 1}


async def test_a_request_is_counted_again_once_its_step_is_answered(resting_town):
    town = resting_town
    number = await town.submit("idempotent")
    await survey(town)
    assert dict(count(town, "pris", "site", kind="idempotent").cells) == {("non", "ville"): 1}
    answered = "UPDATE delivery SET state = 'delivered', reference = 'R-1', updated_at = updated_at + 1"
    town.change(f"{answered} WHERE request = :number", number=number)
    assert await survey(town) == 1
    assert dict(count(town, "pris", "site", kind="idempotent").cells) == {("oui", "ville"): 1}


async def test_corrected_data_are_counted_again(resting_town):
    town = resting_town
    number = await town.submit("idempotent", theme="tag")
    await survey(town)
    body = json.loads(town.request(number).body)
    corrected = json.dumps({**body, "data": {**body["data"], "theme": "voirie"}})
    town.change_body(number, corrected)
    town.change("INSERT INTO revision (request, body, actor, at) VALUES (:number, '{}', 'a', 1)", number=number)
    assert await survey(town) == 1
    assert count(town, "theme", "site", kind="idempotent").rows == ["voirie"]


async def test_another_declaration_counts_everything_anew(resting_town):
    town = resting_town
    await town.submit("idempotent", theme="tag", ville="Aix")
    await survey(town)
    book = town.hub.ledger.book
    route = Route(RouteFile.model_validate({**ROUTE, "facets": {"ville": "data.ville"}}))
    changed = replace(book.catalogue.kinds["idempotent"], route=route)
    book.take(replace(book.catalogue, kinds={**book.catalogue.kinds, "idempotent": changed}), {})
    assert await survey(town) == 1
    assert count(town, "ville", "site", kind="idempotent").rows == ["Aix"]


async def test_several_who_count_at_once_count_once(resting_town):
    for _ in range(5):
        await resting_town.submit("lookup")
    await asyncio.gather(*(survey(resting_town) for _ in range(4)))
    assert count(resting_town).total == 5


async def test_one_sees_only_the_kinds_and_sites_one_is_kept_to(resting_town):
    for site in ("ville", "annexe"):
        await resting_town.submit("lookup", site)
    await survey(resting_town)
    kept = replace(EVERYBODY, sites=frozenset({"annexe"}))
    assert count(resting_town, caller=kept).columns == ["annexe"]
    assert count(resting_town, caller=replace(EVERYBODY, kinds=frozenset({"once"}))).total == 0


async def test_open_requests_are_told_by_kind_with_those_that_are_late(resting_town):
    town = resting_town
    numbers = [await town.submit("lookup") for _ in range(3)]
    for due_at, number in zip((1_000, 6_000, None), numbers, strict=True):
        town.change("UPDATE request SET due_at = :at WHERE number = :number", at=due_at, number=number)
    [one] = town.hub.ledger.look(standing, EVERYBODY, 5_000)
    assert (one.kind, one.requests, one.late, one.soon) == ("lookup", 3, 1, 1)
    assert one.oldest_at == town.request(numbers[0]).received_at


@pytest.mark.parametrize(
    ("said", "counted"),
    [
        ("voirie", "voirie"),
        (" deux  mots ", "deux mots"),
        ("x" * 61, OTHER),
        ("deux\nlignes", OTHER),
        (True, "oui"),
        (False, "non"),
        (3, "3"),
        (3.5, OTHER),
        ({"a": 1}, OTHER),
        (None, ""),
        ("", ""),
        ([], ""),
        (["a", "a"], "a"),
        (["a", "b"], SEVERAL),
    ],
)
def test_only_words_of_lists_are_counted(said, counted):
    assert word(said) == counted


def test_a_field_of_too_many_values_is_no_list():
    observer = Observer("essai", {"mot": "data.mot"}, None)
    rows = [
        SimpleNamespace(
            number=at,
            kind="essai",
            site="ville",
            channel="internet",
            received_at=0,
            version="v",
            data_key=None,
            body=said,
        )
        for at, said in enumerate(f'{{"data": {{"mot": "mot {at}"}}}}' for at in range(MOST_VALUES + 1))
    ]
    counting = Count(Vault())
    counting.add(Chunk(rows, {}, {("essai", "v"): observer}))
    faceted = Counter({alike.facets: requests for alike, requests in counting.alike().items()})
    assert faceted == {"": MOST_VALUES + 1, '{"mot":"autre"}': MOST_VALUES + 1}


def test_what_cannot_be_read_of_one_request_hides_nothing_else():
    observer = Observer("essai", {"un": "data.un", "deux": "data.nom > 2"}, None)
    assert observer.see('{"data": {"un": "a", "nom": "b"}}', {}).facets == {"un": "a"}


@pytest.mark.parametrize(
    "facets",
    [
        {"site": "site"},
        {"Theme": "data.theme"},
        {f"f{at}": "data.a" for at in range(5)},
        {"district": "data.a"},
    ],
)
def test_declarations_that_could_be_taken_for_another_are_refused(facets):
    with pytest.raises(ValidationError):
        RouteFile.model_validate({**ROUTE, "facets": facets})


@pytest.mark.parametrize("wrong", [{"rows": "theme"}, {"rows": "kind", "columns": "kind"}, {"from": "2026-13"}])
def test_questions_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValidationError):
        Question.model_validate(wrong)


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("data.categorie", []),
        ("data.description", ["facet-open"]),
        ("data.adresse.commune", ["facet-open"]),
        ("data.catégorie", ["facet-open", "path-unknown"]),
        ('data.adresse.commune = "Aix" ? "ici" : "ailleurs"', []),
    ],
)
def test_the_check_finds_facets_that_would_count_what_people_write(source, found):
    catalogue = Catalogue.read(HOME)
    said = {"route": "doleance", "title": "t", "owner": "o", "facets": {"mot": source}, "steps": [{"refuse": "Non"}]}
    definition = replace(catalogue.kinds["doleance"], route=Route(RouteFile.model_validate(said)))
    assert [one.code for one in check_steps(definition, catalogue.folders["doleance"] / "route.yaml")] == found


def test_no_cell_is_run_as_a_formula():
    assert write_csv([["=1+1", 3, "a,b"]]) == '\'=1+1,3,"a,b"\r\n'

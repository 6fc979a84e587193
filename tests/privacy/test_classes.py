"""Every field of every kind says what it tells of a person, and tokens fit wherever a value was."""

import orjson
import pytest

from hub.catalogue import Catalogue
from hub.errors import MappingError
from hub.facets import PATH
from hub.mapping import CompiledMapping
from hub.model import Submission
from hub.privacy.classes import DataClass, fields, leaves, unclassed
from hub.privacy.tokens import counted_fields, known_fields, tokenised
from hub.settings import HOME

CATALOGUE = Catalogue.read(HOME)
SAMPLES = [
    pytest.param(kind, sample, id=f"{kind}: {sample.stem}")
    for kind, folder in CATALOGUE.folders.items()
    if kind in CATALOGUE.kinds
    for sample in sorted(folder.glob("samples/*.json"))
]


def purged(kind, document):
    definition = CATALOGUE.kinds[kind]
    known = known_fields(definition, definition)
    return tokenised(document, known, counted_fields(definition, known))


@pytest.mark.parametrize("name", [*CATALOGUE.kinds, *CATALOGUE.queries])
def test_every_field_says_its_class(name):
    known = CATALOGUE.kinds.get(name) or CATALOGUE.queries[name]
    assert unclassed(known.schema) == []


def test_the_applicant_is_classed_by_itself():
    known = fields({"type": "object"})
    assert known["applicant", "identity", "family_name"].data_class is DataClass.IDENTITY
    assert known["applicant", "contact", "email"].data_class is DataClass.CONTACT
    assert known["applicant", "address", "street"].data_class is DataClass.ADDRESS


def test_what_is_below_a_classed_object_has_its_class_unless_it_says_another():
    child = {"properties": {"nom": {}, "regime": {"x-class": "health"}}}
    known = leaves({"properties": {"enfant": {"x-class": "minor", **child}, "autre": {}}})
    assert [known["enfant", name].said for name in ("nom", "regime")] == [DataClass.MINOR, DataClass.HEALTH]
    assert known["autre",].said is None
    assert known["autre",].data_class is DataClass.FREE_TEXT


def test_nothing_inherits_that_it_tells_nothing():
    known = leaves({"properties": {"lieu": {"x-class": "none", "properties": {"nom": {}}}}})
    assert known["lieu", "nom"].said is None


@pytest.mark.parametrize("kind", CATALOGUE.kinds)
def test_what_is_counted_as_it_is_stays_when_a_request_is_purged(kind):
    definition = CATALOGUE.kinds[kind]
    known = known_fields(definition, definition)
    kept = counted_fields(definition, known)
    sources = definition.route.observer.sources
    for name, source in sources.items():
        path = tuple(source.split("."))
        if name.startswith("facets.") and PATH.fullmatch(source):
            assert path in kept or known[path].data_class is DataClass.NONE, source


@pytest.mark.parametrize(("kind", "sample"), SAMPLES)
def test_a_purged_request_is_still_one_of_its_kind(kind, sample):
    definition, document = CATALOGUE.kinds[kind], orjson.loads(sample.read_bytes())
    left = purged(kind, document)
    assert list(definition.validator.iter_errors(left["data"])) == []
    Submission.model_validate(left)
    observer = definition.route.observer
    seen, before = (observer.see(orjson.dumps(one).decode(), {}) for one in (left, document))
    assert seen.facets == before.facets


@pytest.mark.parametrize(("kind", "sample"), SAMPLES)
def test_no_mapping_fails_on_a_purged_request_that_wrote_before(kind, sample):
    definition = CATALOGUE.kinds[kind]
    document = orjson.loads(sample.read_bytes())
    document |= {"number": 167_046_020, "received_at": "2026-09-07T09:12:45+02:00"}
    left = purged(kind, document)
    for mapping in definition.mappings.values():
        for example in mapping.examples:
            if writes(mapping, document, example.bindings):
                assert writes(mapping, left, example.bindings), mapping.name


def writes(mapping: CompiledMapping, document, bindings):
    try:
        mapping.write(document, bindings)
    except MappingError:
        return False
    return True


@pytest.mark.parametrize(("kind", "sample"), SAMPLES)
def test_nothing_that_a_person_typed_is_left(kind, sample):
    definition, document = CATALOGUE.kinds[kind], orjson.loads(sample.read_bytes())
    known = known_fields(definition, definition)
    kept = counted_fields(definition, known)
    text = orjson.dumps(purged(kind, document)).decode()
    for path, value in values(document):
        leaf = known[path]
        closed = {"enum", "const"} & leaf.schema.keys()
        personal = leaf.data_class not in {DataClass.NONE, DataClass.ATTACHMENT}
        if personal and path not in kept and not closed and isinstance(value, str) and len(value) > 4:
            assert orjson.dumps(value).decode() not in text, leaf.name


def values(document, path=()):
    match document:
        case dict():
            for name, one in document.items():
                yield from values(one, (*path, name))
        case list():
            for one in document:
                yield from values(one, path)
        case _:
            yield path, document

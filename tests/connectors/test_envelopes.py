"""Envelopes whose words alone change are those that zeep would have written."""

import importlib
from datetime import timedelta
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from connectors._transport.envelopes import Envelopes, NoFormError, shape_of
from connectors._transport.soap import load_operations
from connectors.logitud.wire import DEMANDES, write_request
from connectors.payfip.client import WSDL as PAYFIP
from hub.connector import Deadline, Outbound

LOGITUD = Path(importlib.import_module("connectors.logitud").__file__).parent / "contract"
SAMPLES = orjson.loads((LOGITUD / "samples.json").read_bytes())
PORTS = {
    "logitud": load_operations(LOGITUD / "etatcivil.wsdl"),
    "payfip": load_operations(PAYFIP),
}
PAYMENT = {"exer": "2026", "mel": "a@example.org", "montant": "4500", "numcli": "006382", "objet": "Repas"}
PAYMENT |= {"refdet": "F1042", "saisie": "T", "urlnotif": "http://a", "urlredirect": "http://b"}
MESSAGES = {
    **{
        f"logitud {operation}": ("logitud", demande.call, write_request(message, []))
        for operation, demande in DEMANDES.items()
        for message in [
            Outbound("100000001-1", operation, orjson.dumps(SAMPLES[operation]), Deadline(timedelta(seconds=5)))
        ]
    },
    "logitud search": ("logitud", "RechercherDemande", {"ReferenceExterne": "100000001-1"}),
    "payfip open": ("payfip", "creerPaiementSecurise", {"arg0": PAYMENT}),
    "payfip ask": ("payfip", "recupererDetailPaiementSecurise", {"arg0": {"idOp": "x"}}),
}
WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), min_size=1)


def written(envelope):
    return etree.tostring(envelope)


def with_other_words(value, draw):
    match value:
        case str() if value:
            return draw()
        case dict():
            return {name: with_other_words(part, draw) for name, part in value.items()}
        case list():
            return [with_other_words(part, draw) for part in value]
        case _:
            return value


@pytest.mark.parametrize(("port", "operation", "fields"), MESSAGES.values(), ids=MESSAGES)
def test_each_message_is_what_zeep_writes(port, operation, fields):
    operations, envelopes = PORTS[port], Envelopes(PORTS[port])
    for count in range(3):
        other = with_other_words(fields, lambda number=count: f"<é & {number}>") if count else fields
        assert written(envelopes.write(operation, other)) == written(operations[operation].create(**other).content)


@settings(max_examples=40)
@given(st.data())
def test_any_words_are_written_as_zeep_does(data):
    port, operation, fields = data.draw(st.sampled_from(list(MESSAGES.values())))
    other = with_other_words(fields, lambda: data.draw(WORDS))
    envelopes = Envelopes(PORTS[port])
    for said in (fields, other):
        assert written(envelopes.write(operation, said)) == written(PORTS[port][operation].create(**said).content)


def test_what_breaks_the_contract_is_told_as_zeep_tells_it():
    envelopes = Envelopes(PORTS["payfip"])
    for _ in range(2):
        with pytest.raises(TypeError, match="surprise"):
            envelopes.write("creerPaiementSecurise", {"arg0": {**PAYMENT, "surprise": "x"}})


def test_shapes_are_told_apart_by_everything_but_their_words():
    same = [{"a": "x", "b": ["y"]}, {"a": "z", "b": ["t"]}]
    others = [{"a": "", "b": ["y"]}, {"a": None, "b": ["y"]}, {"a": "x", "b": ["y", "y"]}, {"b": ["y"], "a": "x"}]
    shapes = [shape_of(one, []) for one in same]
    assert shapes[0] == shapes[1]
    assert len({*shapes, *(shape_of(one, []) for one in others)}) == 5
    with pytest.raises(NoFormError):
        shape_of({"a": 1.5}, [])

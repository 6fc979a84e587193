"""What docs/forms.md says of forms is so."""

import json

import pytest

from hub.forms.fields import NAMES
from hub.forms.kind import SAMPLES, sample
from hub.forms.model import Form, FormField, read_form
from hub.forms.proof import prove
from tests.docs.conftest import ROOT, Document

DOCUMENT = Document(ROOT / "docs/forms.md")


def test_the_form_that_is_shown_can_be_installed():
    form = read_form(json.loads(DOCUMENT.block("form.json")))
    assert prove(form, ["Erreur courriel"]) == []
    assert [len(sample(form, number)["data"]["voisins"]) for number in range(len(SAMPLES))] == [2, 2, 2]


def test_all_types_are_explained():
    assert sorted(name for name, _ in DOCUMENT.table("type", "in `data`")) == sorted(NAMES)


@pytest.mark.parametrize(("heading", "model"), [("of a form", Form), ("of a field", FormField)])
def test_all_members_are_explained(heading, model):
    told = [name.strip("` ") for names, *_ in DOCUMENT.table(heading) for name in names.split(",")]
    assert told == list(model.model_fields)

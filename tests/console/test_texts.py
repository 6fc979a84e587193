"""What the console says: each sentence of its code stands in a French catalogue, and each catalogue says only those."""

from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

import monitoring.console
from monitoring.console.pages import environment
from monitoring.console.texts import LOCALE, catalogue, spoken

HOME = Path(monitoring.console.__file__).parent
SPEAKS = {"_": None, "gettext": None, "ngettext": (1, 2), "marked": None}
METHODS = [("**.py", "python"), ("templates/**.j2", "jinja2")]
OPTIONS = {"templates/**.j2": {"extensions": "jinja2.ext.i18n,jinja2.ext.do", "trimmed": "false", "silent": "false"}}


def said_by_the_code():
    found = extract_from_dir(HOME, METHODS, OPTIONS, keywords=SPEAKS)
    return {message if isinstance(message, str) else message[0] for _, _, message, _, _ in found}


def said_by(language):
    for file in sorted((LOCALE / language).glob("*.po")):
        for message in read_po(file.open("rb"), locale=language):
            if message.id:
                yield file.name, message


def test_every_sentence_has_its_french():
    french = {one.id if isinstance(one.id, str) else one.id[0] for _, one in said_by("fr") if one.string}
    assert sorted(said_by_the_code() - french) == []


def test_no_catalogue_says_what_no_page_does():
    known = said_by_the_code()
    assert [
        (name, one.id) for name, one in said_by("fr") if (one.id if isinstance(one.id, str) else one.id[0]) not in known
    ] == []


def test_no_sentence_has_two_translations():
    seen = {}
    for name, one in said_by("fr"):
        assert seen.setdefault(str(one.id), one.string) == one.string, (name, one.id)


@pytest.mark.parametrize("name", ["%(", "{"])
def test_what_is_filled_in_is_the_same_in_both(name):
    for file, one in said_by("fr"):
        ids = [one.id] if isinstance(one.id, str) else one.id
        strings = [one.string] if isinstance(one.string, str) else one.string
        assert {max(said.count(name) for said in ids)} == {said.count(name) for said in strings if name in said} or all(
            name not in said for said in ids
        ), (file, one.id)


@pytest.mark.parametrize(
    ("accepted", "language"), [("fr-FR,fr;q=0.9,en", "fr"), ("en-GB", "en"), ("de,en;q=0.5", "en"), ("", "fr")]
)
def test_a_stranger_is_spoken_to_in_a_language_they_read(accepted, language):
    assert spoken(accepted) == language


def test_english_needs_no_catalogue():
    assert catalogue("en").gettext("To handle") == "To handle"
    assert catalogue("fr").gettext("To handle") == "À traiter"


@pytest.mark.parametrize("said", ["Dossier complet à 50 %.", "<b>gras</b>"])
def test_a_sentence_that_is_not_ours_is_a_text_like_any(said):
    shown = environment("fr").from_string("{{ _(said) }}").render(said=said)
    assert shown == said.replace("<", "&lt;").replace(">", "&gt;")

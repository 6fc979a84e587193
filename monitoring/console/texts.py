"""What the console says: English in the code, French in the catalogues beside it, read when the console starts."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from gettext import NullTranslations
from pathlib import Path
from typing import Final

from babel.messages.pofile import read_po

LOCALE: Final = Path(__file__).parent / "locale"
LANGUAGES: Final[Mapping[str, str]] = {"fr": "Français", "en": "English"}
"""What the console speaks, each under its own name."""

DEFAULT: Final = "fr"


def marked(sentence: str) -> str:
    """Mark a sentence of a table for its translation, which happens where it is shown."""
    return sentence


class Catalogue(NullTranslations):
    """The sentences of one language; one that is missing stands in English."""

    def __init__(self, said: Mapping[str, str | tuple[str, ...]]) -> None:
        super().__init__()
        self._said = said

    def gettext(self, message: str) -> str:
        """Translate a sentence."""
        found = self._said.get(message)
        return found if isinstance(found, str) and found else message

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        """Translate a sentence about so many things: French is singular up to one, zero included."""
        found = self._said.get(msgid1)
        if not isinstance(found, tuple):
            return msgid1 if n == 1 else msgid2
        return found[0] if n < 2 else found[-1]


@cache
def catalogue(language: str) -> Catalogue:
    """Read every catalogue of a language, as one; English needs none."""
    said: dict[str, str | tuple[str, ...]] = {}
    for file in sorted((LOCALE / language).glob("*.po")):
        with file.open("rb") as opened:
            for message in read_po(opened, locale=language):
                if message.id:
                    key = message.id if isinstance(message.id, str) else message.id[0]
                    said[key] = message.string if isinstance(message.string, str) else tuple(message.string or ())
    return Catalogue(said)


def spoken(accepted: str) -> str:
    """Choose the language of somebody who has not entered yet, from what their browser prefers."""
    for part in accepted.split(","):
        language = part.split(";")[0].strip()[:2].casefold()
        if language in LANGUAGES:
            return language
    return DEFAULT

"""Envelopes of one SOAP port: zeep writes each shape of message once, and from then on only its words are put in.

zeep builds and renders objects: 0.3 ms a message, where a copy with other words takes 0.05. What it does not write as
it was given (a truth, bytes in base64) it goes on writing itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Final

import zeep.exceptions
from lxml import etree

from connectors._transport.xml import Element

MOST_FORMS: Final = 500
"""Shapes that are remembered: lists of many lengths are shapes of their own."""


class NoFormError(Exception):
    """A message holds what is neither text nor a whole number."""


@dataclass(frozen=True, slots=True)
class Form:
    """An envelope with words to replace: which of its elements, in the order of the document, hold them."""

    envelope: Element
    places: tuple[int, ...]

    def filled(self, words: list[str]) -> Element:
        """Give a copy with these words; raises ValueError for what XML cannot hold."""
        envelope = deepcopy(self.envelope)
        elements = list(envelope.iter())
        for place, word in zip(self.places, words, strict=True):
            elements[place].text = word
        return envelope


class Envelopes:
    """Writes the envelopes of a WSDL's operations."""

    def __init__(self, operations: Mapping[str, Any]) -> None:
        self._operations = operations
        self._forms: dict[tuple[Any, ...], Form | None] = {}

    def write(self, operation: str, fields: Mapping[str, Any]) -> Element:
        """Write one; raises whatever zeep does."""
        words: list[str] = []
        try:
            shape = (operation, shape_of(fields, words))
        except NoFormError:
            return self._create(operation, fields)
        if shape not in self._forms and len(self._forms) < MOST_FORMS:
            self._forms[shape] = self._prepare(operation, fields, words)
        form = self._forms.get(shape)
        return form.filled(words) if form else self._create(operation, fields)

    def _create(self, operation: str, fields: Mapping[str, Any]) -> Element:
        envelope: Element = self._operations[operation].create(**fields).content
        return envelope

    def _prepare(self, operation: str, fields: Mapping[str, Any], words: list[str]) -> Form | None:
        """Have zeep write marks instead of words; None unless these then say what zeep writes of the message itself."""
        itself = self._create(operation, fields)
        marks = [f"-{number}-" for number in range(len(words))]
        try:
            envelope = self._create(operation, marked(fields, iter(marks)))
        except (TypeError, ValueError, AttributeError, zeep.exceptions.Error):
            return None
        texts = [element.text for element in envelope.iter()]
        if any(texts.count(mark) != 1 for mark in marks):
            return None
        form = Form(envelope, tuple(texts.index(mark) for mark in marks))
        return form if etree.tostring(form.filled(words)) == etree.tostring(itself) else None


def shape_of(value: Any, words: list[str]) -> Any:
    """Tell what a message is but for its words, which are added to `words`; raises NoFormError."""
    match value:
        case None | bool() | "":
            return (type(value), value)
        case str() | int():
            words.append(str(value))
            return type(value)
        case Mapping():
            return tuple([(name, shape_of(part, words)) for name, part in value.items()])
        case list() | tuple():
            return (list, *(shape_of(part, words) for part in value))
        case _:
            raise NoFormError


def marked(value: Any, marks: Iterator[str]) -> Any:
    """Put marks in the place of words, in the order in which `shape_of` finds them."""
    match value:
        case None | bool() | "":
            return value
        case str() | int():
            return next(marks)
        case Mapping():
            return {name: marked(part, marks) for name, part in value.items()}
        case list() | tuple():
            return [marked(part, marks) for part in value]
        case _:
            return value

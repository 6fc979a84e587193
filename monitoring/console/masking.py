"""What went over the wire, shown without being told: tags and members stand, what they hold keeps only its shape."""

from __future__ import annotations

import json
from typing import Any, Final

import orjson
from lxml import etree

from hub.trials.mask import masked

PARSER: Final = etree.XMLParser(
    resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True, remove_pis=True
)


def shown_wire(content: bytes, *, revealed: bool) -> str:
    """Write a message as it went, or masked; what is neither JSON nor XML keeps nothing but the shape of its words."""
    if revealed:
        return content.decode(errors="replace")
    return _json(content) or _xml(content) or str(masked(content.decode(errors="replace")))


def _json(content: bytes) -> str:
    try:
        value: Any = orjson.loads(content)
    except orjson.JSONDecodeError:
        return ""
    return json.dumps(masked(value), ensure_ascii=False, indent=2)


def _xml(content: bytes) -> str:
    try:
        root = etree.fromstring(content, PARSER)
    except (etree.XMLSyntaxError, ValueError):
        return ""
    for element in root.iter():
        if not isinstance(element.tag, str):  # an entity: what it stands for is not known
            return ""
        element.text, element.tail = _masked(element.text), _masked(element.tail)
        for name, value in element.attrib.items():
            element.attrib[name] = str(masked(value))
    return str(etree.tostring(root, encoding="unicode", pretty_print=True))


def _masked(text: str | None) -> str | None:
    return None if text is None else str(masked(text))

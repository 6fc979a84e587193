"""The business XML of a case, as plain values in its own words; no I/O and no schema.

HubEE publishes examples and no schema: names, and dates, which are ISO in one procedure and dd/MM/yyyy in
the other, are therefore given as they came.
"""

from __future__ import annotations

from typing import Any, Final

from lxml import etree

from connectors._transport.xml import Element, parse
from hub.errors import UncertainError

TEXT: Final = "#text"
"""The name of the text of an element that has attributes too."""


def read_demande(text: bytes) -> dict[str, Any] | None:
    """Read a business document as `{root: content}`; None when it is not XML that we may read."""
    try:
        root = parse(text)
    except UncertainError:
        return None
    return {etree.QName(root).localname: content_of(root)}


def content_of(element: Element) -> dict[str, Any] | str:
    """Give an element's text, or its attributes (`@name`) and children; a repeated child is a list.

    What is empty is left out, for there is much of it; so is what has a namespace: a signature's parts, which
    the file itself keeps.
    """
    attributes = {"@" + str(name): str(value) for name, value in element.items()}
    children = [child for child in element if not etree.QName(child).namespace]
    text = (element.text or "").strip()
    if not children:
        return {**attributes, TEXT: text} if attributes and text else attributes or text
    content: dict[str, Any] = {**attributes}
    for child in children:
        if value := content_of(child):
            content[child.tag] = joined(content.get(child.tag), value)
    return content


def joined(before: Any, value: Any) -> Any:
    """Put a value beside those of the same name."""
    if before is None:
        return value
    return [*before, value] if isinstance(before, list) else [before, value]

"""Read XML that someone else wrote, within limits, resolving nothing."""

from __future__ import annotations

from typing import Final

from lxml import etree

from hub.errors import UncertainError

Element = etree._Element  # noqa: SLF001  # lxml gives its element class no public name

UNREADABLE: Final = "unreadable"
"""The code of an answer that is not the XML we agreed on."""

MOST_BYTES: Final = 2_000_000
MOST_MARKUP: Final = 100_000
"""How many `<` a message may hold: an element takes at least one, so this bounds them unparsed."""

_PARSER: Final = etree.XMLParser(
    resolve_entities=False,
    no_network=True,
    load_dtd=False,
    dtd_validation=False,
    huge_tree=False,
    recover=False,
    remove_pis=True,
    remove_comments=True,
)


def parse(text: bytes, *, limit: int = MOST_BYTES) -> Element:
    """Parse a whole document and give its root; raises UncertainError("unreadable").

    Refused: more than `limit` bytes or MOST_MARKUP tags (both before parsing), anything not well formed, a
    document type, and what libxml2 finds excessive (256 levels, a text of 10 MB).
    """
    if len(text) > limit or text.count(b"<") > MOST_MARKUP:
        raise UncertainError(UNREADABLE)
    try:
        root = etree.fromstring(text, _PARSER)
    except (etree.XMLSyntaxError, ValueError):
        raise UncertainError(UNREADABLE) from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise UncertainError(UNREADABLE)
    return root

"""Reads HTML that GRR wrote for people, within limits, resolving nothing; no I/O."""

from __future__ import annotations

import re
from typing import Final

import lxml.html
from lxml import etree

from connectors._transport.http import Answer
from connectors._transport.xml import Element

UNREADABLE: Final = "unreadable"
"""The code of a page that is none of those we know."""

ENTRY: Final = re.compile(r"\bp=vuereservation\b[^'\"#]*?\bid=(\d+)|view_entry\.php\?id=(\d+)|\brequest\((\d+),")
"""How a page links to a booking, by GRR's settings."""

_PARSER: Final = lxml.html.HTMLParser(encoding="utf-8", no_network=True, huge_tree=False)


def parse(answer: Answer) -> Element | None:
    """Read a page; None when this is none."""
    try:
        return lxml.html.document_fromstring(answer.body, parser=_PARSER)
    except (etree.ParserError, etree.XMLSyntaxError, ValueError):
        return None


def words(element: Element) -> str:
    """Read the words of an element, its tags aside, its spaces made one."""
    return " ".join("".join(map(str, element.itertext())).split())


def entry_of(element: Element) -> str:
    """Read the number of the first booking an element links to; empty when it links to none."""
    for link in element.iter("a"):
        for written in (link.get("href", ""), link.get("onclick", "")):
            if found := ENTRY.search(written):
                return str(next(filter(None, found.groups())))
    return ""

"""The tables of docs/security.md, from `rows` and `asvs`: `--write` puts them between their marks there."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.security.asvs import ITEMS
from tests.security.rows import ROWS

DOCUMENT = Path(__file__).parents[2] / "docs/security.md"
MARKED = "<!-- {name} -->\n{table}<!-- /{name} -->"


def tables() -> dict[str, str]:
    """Give each table by its mark."""
    return {"rows": "".join(of_rows()), "asvs": "".join(of_items())}


def of_rows() -> Iterator[str]:
    """Write what may go wrong."""
    yield "| row | what goes wrong | what then happens | shown by |\n|---|---|---|---|\n"
    for row in ROWS:
        yield f"| {row.number} | {row.wrong} | {row.then} | {listed(row.tests)} |\n"


def of_items() -> Iterator[str]:
    """Write what ASVS asks for."""
    yield "| ASVS 5.0 | what is asked for | shown by |\n|---|---|---|\n"
    for item in ITEMS:
        yield f"| {item.number} | {item.wanted} | {'<br>'.join(filter(None, (item.note, listed(item.tests))))} |\n"


def listed(tests: tuple[str, ...]) -> str:
    """Write the names of tests, one below the other."""
    return "<br>".join(f"`{test}`" for test in tests)


def written(text: str) -> str:
    """Put the tables in a document's text, between their marks."""
    for name, table in tables().items():
        marked = re.compile(rf"<!-- {name} -->\n.*?<!-- /{name} -->", re.DOTALL)
        assert marked.search(text), f"docs/security.md has no mark {name}"
        text = marked.sub(lambda _, name=name, table=table: MARKED.format(name=name, table=table), text)
    return text


if __name__ == "__main__":
    if "--write" in sys.argv:
        DOCUMENT.write_text(written(DOCUMENT.read_text("utf-8")), "utf-8")
    else:
        sys.stdout.write("\n".join(tables().values()))

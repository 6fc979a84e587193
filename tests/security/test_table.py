"""The tables of docs/security.md: each line has its tests, each test is there, and the document says so."""

import re

import pytest

from tests.faults.test_rows import ROWS as FAULTS
from tests.faults.test_rows import TESTS, written_in
from tests.security.asvs import ITEMS
from tests.security.rows import ROWS
from tests.security.table import DOCUMENT, written

HERE = "security"


def test_no_row_is_missing():
    numbers = [row.number for row in ROWS]
    assert numbers == list(range(28, 46))
    assert sorted([*numbers, *(int(row.partition(":")[0]) for row in FAULTS)]) == list(range(1, 48))


@pytest.mark.parametrize("line", [*ROWS, *ITEMS], ids=lambda line: f"{type(line).__name__} {line.number}")
def test_each_line_has_its_tests(line):
    assert line.tests or getattr(line, "note", "")
    for named in line.tests:
        file, _, name = named.partition("::")
        assert name in written_in(file), f"{named} is not there"


def test_each_test_here_that_names_a_row_is_listed_under_it():
    for file in (TESTS / HERE).glob("test_*.py"):
        for name, said in written_in(f"{HERE}/{file.name}").items():
            if found := re.match(r"Row (\d+)", said):
                [row] = [one for one in ROWS if one.number == int(found[1])]
                assert f"{HERE}/{file.name}::{name}" in row.tests


def test_requirements_stand_in_their_order_and_once():
    numbers = [re.findall(r"\d+[.]\d+[.]\d+", item.number) for item in ITEMS]
    first = [tuple(map(int, found[0].split("."))) for found in numbers]
    assert first == sorted(first)
    assert len({one for found in numbers for one in found}) == sum(map(len, numbers))


def test_the_document_shows_the_tables_as_they_are():
    text = DOCUMENT.read_text("utf-8")
    assert written(text) == text, "python -m tests.security.table --write"

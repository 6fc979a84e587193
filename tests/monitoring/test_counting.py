"""What takes long to count is counted the more seldom, and no scrape waits for it."""

import threading

import pytest
from sqlalchemy.exc import SQLAlchemyError

from hub.app import open_hub
from hub.settings import Settings
from monitoring import counting
from monitoring.counting import Counting
from tests.monitoring.conftest import home, settings_of

PATIENCE = 30


@pytest.fixture
async def ledger(tmp_path, target):
    settings = Settings.model_validate(settings_of(home(tmp_path), target))
    async with open_hub(settings, serve=False) as hub:
        yield hub.ledger


class Question:
    """A question that counts how often it is asked, and may be held up."""

    def __init__(self):
        self.asked, self.free = 0, threading.Event()
        self.free.set()

    def __call__(self, _connection, _now):
        self.asked += 1
        assert self.free.wait(PATIENCE)
        return self.asked


async def test_what_is_cheap_is_counted_each_time(ledger, monkeypatch):
    monkeypatch.setattr(counting, "CHEAP", PATIENCE)
    count = Counting(ledger, Question())
    assert [count.latest() for _ in range(3)] == [1, 2, 3]


async def test_what_is_not_cheap_is_not_counted_again_at_once(ledger, monkeypatch):
    monkeypatch.setattr(counting, "CHEAP", 0)
    monkeypatch.setattr(counting, "SPARING", 10**9)
    count = Counting(ledger, Question())
    assert [count.latest() for _ in range(3)] == [1, 1, 1]


async def test_a_scrape_gets_the_count_before_while_another_is_made(ledger, monkeypatch):
    monkeypatch.setattr(counting, "CHEAP", PATIENCE)
    monkeypatch.setattr(counting, "WAITS", 0.05)
    question = Question()
    count = Counting(ledger, question)
    question.free.clear()
    assert count.latest() is None
    assert count.latest() is None
    assert question.asked == 1
    question.free.set()
    monkeypatch.setattr(counting, "WAITS", PATIENCE)
    assert count.latest() == 1


async def test_a_count_that_fails_is_told_and_made_again(ledger, monkeypatch):
    monkeypatch.setattr(counting, "CHEAP", PATIENCE)
    answers = [SQLAlchemyError("down"), 7]

    def question(_connection, _now):
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    count = Counting(ledger, question)
    with pytest.raises(SQLAlchemyError):
        count.latest()
    assert count.latest() == 7

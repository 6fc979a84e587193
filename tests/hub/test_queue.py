"""Hints: what the broker's part does with a real broker, and with one that refuses."""

import threading

import pytest

from hub.app import _broker
from hub.errors import ConfigurationError
from hub.queue import BATCH, Herald, Listener
from hub.settings import Settings


class Ear:
    """Hears hints, and knows when it has heard enough."""

    def __init__(self, enough):
        self.heard, self._enough, self.satisfied = [], enough, threading.Event()

    def hear(self, target, deliveries):
        self.heard.append((target, deliveries))
        if sum(len(said) for _, said in self.heard) >= self._enough:
            self.satisfied.set()


def ended():
    raise AssertionError("the consumer ended")


def test_what_gathers_travels_together_to_who_listens_to_its_target(rabbitmq_server):
    ear = Ear(BATCH + 3)
    listener = Listener(rabbitmq_server.url, ["a", "b"], ear.hear, ended)
    herald = Herald(rabbitmq_server.url, ["a", "b"])
    herald.wake({"a": range(BATCH + 1), "b": [7, 8], "unknown": [9]})
    assert ear.satisfied.wait(30)
    herald.close()
    listener.close()
    assert sorted(len(said) for target, said in ear.heard if target == "a") == [1, BATCH]
    assert [said for target, said in ear.heard if target != "a"] == [[7, 8]]


def test_a_broker_that_refuses_is_tried_again(rabbitmq_server, monkeypatch):
    refusals, waited = [], threading.Event()
    monkeypatch.setattr("hub.queue.PAUSE", 0.01)

    def refused(_message, error):
        refusals.append(error)
        if len(refusals) == 2:
            waited.set()

    monkeypatch.setattr("hub.queue.log.warning", refused, raising=False)
    herald = Herald(rabbitmq_server.url.replace("hub:", "nobody:"), ["a"])
    herald.wake({"a": [1]})
    assert waited.wait(30)
    herald.close()
    assert set(refusals) == {"AccessRefused"}


@pytest.mark.parametrize("broker", [None, "redis://h", "amqp://hub:motde/passe@h/v", "amqp://"])
def test_a_broker_that_cannot_be_is_refused_without_its_password(broker):
    with pytest.raises(ConfigurationError, match="HUB_BROKER_URL") as refused:
        _broker(Settings(broker=broker))
    assert "motde" not in str(refused.value)

"""What the sandboxes' own API lets a story do: pay, and ask for a few keys only."""

import asyncio

import aiohttp
import pytest
import pytest_asyncio

from hub.demo.city import with_doors
from hub.demo.control import Control
from hub.sandboxes import Watch, open_sandboxes


@pytest_asyncio.fixture
async def opened():
    async with open_sandboxes() as opened:
        yield opened


@pytest_asyncio.fixture
async def control(opened):
    async with Control(opened["control"]) as control:
        yield control


async def test_what_is_not_to_be_paid_cannot_be(control):
    assert not await control.pay("payfip", "unknown", "P", "http://127.0.0.1:1/")
    assert not await control.pay("regie_boutique", "unknown", "P", "http://127.0.0.1:1/")


async def test_keys_that_were_not_taken_are_not_told(control):
    assert await control.taken("regie_boutique", "0-1", "0-2") == {}


@pytest.mark.parametrize(
    ("connector", "said", "status"),
    [
        ("logitud", {"reference": "x"}, 422),
        ("payfip", {"result": "P"}, 422),
        ("nobody", {"reference": "x"}, 404),
    ],
)
async def test_the_sandboxes_refuse_to_be_paid_otherwise(opened, connector, said, status):
    address = f"{opened['control']}/pay/{connector}"
    async with aiohttp.ClientSession() as session, session.post(address, json=said) as answer:
        assert answer.status == status


async def test_sandboxes_that_watch_end_when_they_are_told():
    watch = Watch()
    async with open_sandboxes(watch=watch) as opened, Control(opened["control"]) as control:
        waiting = asyncio.create_task(watch.abandoned(60))
        await control.end()
        await asyncio.wait_for(waiting, 5)


async def test_sandboxes_that_watch_end_when_nobody_speaks_to_them():
    await asyncio.wait_for(Watch().abandoned(0.01), 5)


def test_only_targets_that_call_the_hub_are_told_its_door():
    said = {"payfip": {"url": "a", "urlnotif": "b"}, "logitud": {"url": "c"}}
    told = with_doors(said, "http://hub")
    assert told == {"payfip": {"url": "a", "urlnotif": "http://hub/v1/targets/payfip"}, "logitud": {"url": "c"}}

"""The connector `gru`: what it signs, a front end verifies with the reference package."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import orjson
import pytest
from pydantic import ValidationError
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from connectors.gru import connect
from connectors.gru.client import Gru
from connectors.gru.sandbox import SECRET, Sandbox
from connectors.gru.wire import read_secret, sign, write_headers
from hub.connector import Deadline, Outbound, Receipt
from hub.errors import ConfigurationError, RefusedError, TransientError, UncertainError
from hub.manifest import ErrorTable

OTHER = "whsec_dW4gYXV0cmUgc2VjcmV0IHBvdXIgbGEgcm90YXRpb24="
BODY = '{"etape":"Accepté"}'.encode()


def message(body=BODY) -> Outbound:
    return Outbound("167046020-3", "notifier_etape", body, Deadline(timedelta(seconds=10)))


@asynccontextmanager
async def front_end(**changes) -> AsyncIterator[tuple[Gru, Sandbox]]:
    sandbox = Sandbox()
    await sandbox.start()
    connector = connect({**sandbox.settings(), **changes}, ErrorTable())
    try:
        yield connector, sandbox
    finally:
        await connector.close()
        await sandbox.stop()


@pytest.mark.parametrize("secret", [SECRET, OTHER])
def test_the_reference_package_verifies_what_is_signed_with_either_secret(secret):
    keys = (read_secret(OTHER), read_secret(SECRET))
    headers = write_headers(keys, "167046020-3", int(time.time()), BODY)
    assert Webhook(secret).verify(BODY, headers) == {"etape": "Accepté"}


def test_the_reference_package_does_not_verify_another_body():
    headers = write_headers((read_secret(SECRET),), "167046020-3", int(time.time()), BODY)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(BODY + b" ", headers)


def test_a_signature_covers_the_key_and_the_moment():
    key = read_secret(SECRET)
    signatures = {sign(key, "1-1", 1, BODY), sign(key, "1-2", 1, BODY), sign(key, "1-1", 2, BODY)}
    assert len(signatures) == 3


async def test_a_call_back_arrives_as_the_mapping_wrote_it():
    async with front_end() as (connector, sandbox):
        assert await connector.deliver(message()) == Receipt()
        assert sandbox.received == {"167046020-3": orjson.loads(BODY)}


async def test_a_call_back_is_taken_while_its_secret_is_being_replaced():
    async with front_end(secrets=[OTHER, SECRET]) as (connector, sandbox):
        await connector.deliver(message())
        assert sandbox.taken() == {"167046020-3": 1}


async def test_a_secret_may_live_in_a_file(tmp_path):
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    async with front_end(secrets=[], secret_files=[tmp_path / "secret"]) as (connector, sandbox):
        await connector.deliver(message())
        assert sandbox.taken() == {"167046020-3": 1}


def test_a_file_that_holds_no_secret_is_named(tmp_path):
    (tmp_path / "secret").write_text("sésame")
    with pytest.raises(ConfigurationError, match="secret: a secret is whsec_"):
        connect({"url": "http://portail.example", "secret_files": [tmp_path / "secret"]}, ErrorTable())


@pytest.mark.parametrize("secret", ["whsec_Y291cnQ=", SECRET.removeprefix("whsec_"), "whsec_é"])
def test_what_is_not_a_secret_does_not_load_and_is_not_shown(secret):
    with pytest.raises(ValidationError) as refusal:
        connect({"url": "http://portail.example", "secrets": [secret]}, ErrorTable())
    assert secret not in str(refusal.value)


def test_call_backs_are_never_sent_unsigned():
    with pytest.raises(ValidationError, match="at least one"):
        connect({"url": "http://portail.example"}, ErrorTable())


async def test_a_wrong_secret_waits_until_it_is_corrected():
    errors = ErrorTable.model_validate({"error": [{"code": "http_401", "verdict": "transient"}]})
    sandbox = Sandbox()
    await sandbox.start()
    connector = connect({**sandbox.settings(), "secrets": [OTHER]}, errors)
    with pytest.raises(TransientError, match="http_401"):
        await connector.deliver(message())
    assert not sandbox.taken()
    await connector.close()
    await sandbox.stop()


async def test_a_page_for_people_is_not_a_yes():
    async with front_end() as (connector, sandbox):
        sandbox.break_with("maintenance")
        with pytest.raises(UncertainError, match="page"):
            await connector.deliver(message())


async def test_the_probe_says_when_the_subscription_has_ended():
    sandbox = Sandbox()

    async def gone(request):
        return await sandbox.play("gone", request, None)

    sandbox.serve = gone
    await sandbox.start()
    errors = ErrorTable.model_validate({"error": [{"code": "http_410", "verdict": "refused"}]})
    connector = connect(sandbox.settings(), errors)
    with pytest.raises(RefusedError, match="http_410"):
        await connector.probe(Deadline(timedelta(seconds=10)))
    await connector.close()
    await sandbox.stop()


async def test_a_front_end_cannot_be_asked():
    async with front_end() as (connector, _):
        with pytest.raises(UncertainError, match="cannot_be_asked"):
            await connector.look_up(message())

"""How often one may call: by key, and by address without one; and the good are not refused for the bad."""

import pytest

from hub.access import Role
from hub.errors import ConfigurationError
from hub.settings import Settings
from hub.settings_door import Rate, Rates

SLOW = Rates(caller=Rate(per_second=0.1, burst=5), stranger=Rate(per_second=0.1, burst=3))
WRONG = {"Authorization": f"Bearer hub_{'0' * 12}_{'A' * 43}"}


@pytest.fixture
def database(tmp_path):
    """Calls are counted in memory."""
    return f"sqlite:///{tmp_path}/hub.db"


@pytest.fixture
def settings(settings):
    return settings.model_copy(update={"rates": SLOW})


async def test_a_key_that_calls_too_often_is_told_when_to_come_back_and_others_are_not_held_to_it(resting, open_desk):
    desk, other = await open_desk(resting), await open_desk(resting)
    answers = [await desk.submit(key=f"k-{index}") for index in range(6)]
    assert [answer.status_code for answer in answers] == [202] * 5 + [429]
    refused = answers[-1]
    assert 1 <= int(refused.headers["retry-after"]) <= 10
    assert refused.headers["content-type"] == "application/problem+json"
    assert (await desk.get("/v1/kinds")).status_code == 429
    assert (await other.get("/v1/kinds")).status_code == 200


async def test_an_address_that_tries_keys_is_refused_and_a_good_key_from_it_is_not(resting, open_desk):
    desk = await open_desk(resting, Role.OPERATOR, "*")
    tries = [await desk.get("/v1/kinds", headers=WRONG) for _ in range(3)]
    tries += [await desk.post("/v1/requests", headers=WRONG), await desk.get("/v1/operations/reload", headers=WRONG)]
    assert [answer.status_code for answer in tries] == [401, 401, 401, 429, 429]
    assert "retry-after" in tries[-1].headers
    assert (await desk.get("/v1/kinds")).status_code == 200


HELD = f"port: 1\nfront_ends:\n  libreair:\n    certificates: ['{'0' * 64}']\n"
UNASKED = {
    "no certificate of its own": HELD,
    "no authority": f"tls:\n  certificate: a.pem\n  key: a.pem\n{HELD}",
}


@pytest.mark.parametrize("written", UNASKED.values(), ids=UNASKED)
def test_certificates_that_nobody_would_be_asked_for_stop_the_start(tmp_path, written):
    file = tmp_path / "hub.yaml"
    file.write_text(written)
    with pytest.raises(ConfigurationError, match=r"tls: .*expected client_ca, for front_ends\.libreair\.certificates"):
        Settings.read(file)
    file.write_text(UNASKED["no authority"].replace("tls:\n", "tls:\n  client_ca: ca.pem\n"))
    assert Settings.read(file).front_ends["libreair"].certificates

"""The commands of the compose file, run as they stand: what is taken in by either API is carried, upgrades included."""

import base64
import json
import os
import re
import shlex
import subprocess
import time
from threading import Event, Thread
from uuid import uuid4

import httpx
import pytest
from aiosmtpd.controller import Controller

from hub.processes import run
from hub.throwaway import LOOPBACK, free_port
from tests.deployment.conftest import ROOT
from tests.deployment.stack import Stack, config_at

PATIENCE = 60.0
BREATH = 0.05
CERTIFICATE = "etat_civil_naissance/samples/copie_pour_un_mariage.json"
LETTER = "courrier_maire/samples/eclairage_du_parc.json"


class Mailbox:
    """Stands for the mail catcher: a mail server that takes everything and shows it."""

    def __init__(self):
        self.taken = []

    async def handle_DATA(self, _server, _session, envelope):  # noqa: N802  # aiosmtpd's name
        self.taken.append(envelope)
        return "250 2.0.0 OK"


@pytest.fixture(scope="module")
def mail():
    """A mail catcher at an address."""
    controller = Controller(Mailbox(), hostname=LOOPBACK, port=free_port())
    controller.start()
    yield controller
    controller.stop()


KEYS = base64.b64encode(os.urandom(32)).decode()


@pytest.fixture(scope="module")
def secrets(postgres_server, rabbitmq_server):
    """What the guide would have put into files, for the servers of here."""
    database = run(postgres_server.database(f"deployment_{uuid4().hex}"))
    return {
        "database_url": database,
        "broker_url": rabbitmq_server.url,
        "hub_secret": "0123456789abcdef" * 4,
        "encryption_keys": KEYS,
    }


@pytest.fixture(scope="module")
def stack(compose, ours, mail, secrets, tmp_path_factory):
    """Every service of the hub's, healthy."""
    config = config_at(compose["configs"]["hub"]["content"], f"{LOOPBACK}:{mail.port}")
    running = Stack(ours, config, tmp_path_factory.mktemp("stack"))
    for name, text in secrets.items():
        running.secret(name, text)
    try:
        running.up()
        yield running
    finally:
        running.down()


@pytest.fixture(scope="module")
def key(stack, operations):
    """A front end's key, made as the guide says."""
    [made] = re.findall(r"^docker compose exec -T (\S+) hub (.*)$", operations.block("up"), re.MULTILINE)
    ended = stack.run(made[0], "hub", *shlex.split(made[1]))
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()


class Portal:
    """A front end that speaks to both APIs."""

    def __init__(self, stack, key):
        self._stack = stack
        self.client = httpx.Client(headers={"Authorization": f"Bearer {key}"}, timeout=20)

    def submit(self, api, sample, reference):
        """Submit a sample under a reference of its own; gives its number."""
        said = json.loads((ROOT / "routes" / sample).read_text("utf-8")) | {"external_reference": reference}
        headers = {"Idempotency-Key": reference}
        answer = self.client.post(f"{self._stack.url(api)}/v1/requests", json=said, headers=headers)
        assert answer.status_code == 202, answer.text
        return answer.json()["number"]

    def until_done(self, api, number):
        """Wait until a request is done, as an API tells."""
        until = time.monotonic() + PATIENCE
        while (shown := self.client.get(f"{self._stack.url(api)}/v1/requests/{number}").json())["status"] != "done":
            assert time.monotonic() < until, shown
            time.sleep(0.05)
        return shown


@pytest.fixture(scope="module")
def portal(stack, key):
    opened = Portal(stack, key)
    yield opened
    opened.client.close()


def taken(stack, connector):
    """Count what a sandbox took, by our key."""
    return httpx.get(f"{stack.url('sandboxes')}/taken/{connector}").json()


@pytest.mark.parametrize("api", ["api-1", "api-2"])
def test_what_either_api_takes_in_reaches_its_target_once(stack, portal, api):
    number = portal.submit(api, CERTIFICATE, f"certificate-{api}")
    portal.until_done(api, number)
    assert taken(stack, "logitud")[f"{number}-1"] == 1


def test_what_one_api_took_in_the_other_shows_and_takes_for_a_repetition(portal):
    number = portal.submit("api-1", CERTIFICATE, "both")
    assert portal.until_done("api-2", number)["number"] == number
    assert portal.submit("api-2", CERTIFICATE, "both") == number


def test_mail_goes_to_the_mail_catcher_that_the_configuration_names(mail, portal):
    before = len(mail.handler.taken)
    portal.until_done("api-1", portal.submit("api-1", LETTER, "letter"))
    assert len(mail.handler.taken) > before


def test_a_service_that_is_not_well_is_seen_by_its_health_check(stack):
    assert stack.is_healthy("worker-1")
    stack.stop("worker-1")
    assert not stack.is_healthy("worker-1")
    stack.start("worker-1")
    stack.wait("worker-1")


class Traffic(Thread):
    """A portal that submits all the time, to whichever API answers, until it is told to stop."""

    def __init__(self, portal):
        super().__init__(daemon=True)
        self._portal, self._ended = portal, Event()
        self.numbers = {}

    def run(self):
        while not self._ended.wait(BREATH):
            reference = f"upgrade-{len(self.numbers)}"
            for api in ("api-1", "api-2"):
                try:
                    self.numbers[reference] = self._portal.submit(api, CERTIFICATE, reference)
                    break
                except httpx.TransportError:
                    continue

    def stop(self):
        """Stop, and give the numbers of all that was accepted."""
        self._ended.set()
        self.join()
        return set(self.numbers.values())


def test_an_upgrade_in_the_order_of_the_guide_interrupts_nobody_and_doubles_nothing(stack, portal, operations):
    steps = [line.split()[-1] for line in operations.block("upgrade").splitlines() if line.startswith("docker compose")]
    assert steps == ["build", "migrate", "worker-1", "worker-2", "api-1", "api-2"]
    traffic = Traffic(portal)
    traffic.start()
    for name in steps[1:]:
        if name in stack.processes and name != "migrate":
            assert stack.stop(name) == 0, stack.log(name)
        stack.start(name)
        stack.wait(name)
    numbers = traffic.stop()
    for number in numbers:
        portal.until_done("api-1", number)
    carried = taken(stack, "logitud")
    assert len(numbers) > len(steps)
    assert {carried[f"{number}-1"] for number in numbers} == {1}


def test_prometheus_reads_every_process_as_it_is_configured(stack, portal, services, prometheus, tmp_path):
    portal.until_done("api-1", portal.submit("api-1", CERTIFICATE, "watched"))
    url = f"{LOOPBACK}:{free_port()}"
    command = [configured(argument, stack, tmp_path) for argument in services["prometheus"]["command"]]
    with (tmp_path / "prometheus.log").open("wb") as log:
        process = subprocess.Popen([prometheus, *command, f"--web.listen-address={url}"], stderr=log)
    try:
        hub = until_four(f"http://{url}", 'up{job="hub"} == 1')
        assert {(one["metric"]["role"]) for one in hub} == {"api", "worker"}
        assert {one["value"][1] for one in until_four(f"http://{url}", "hub_ledger_imbalance")} == {"0"}
        rules = httpx.get(f"http://{url}/api/v1/rules").json()["data"]["groups"]
        assert {rule["health"] for group in rules for rule in group["rules"]} <= {"ok", "unknown"}
    finally:
        process.terminate()
        process.wait(PATIENCE)


def configured(argument, stack, folder):
    """Lay Prometheus's files out with the addresses of here, to be read often; gives its argument for them."""
    for file in (ROOT / "monitoring/prometheus").glob("*.yml"):
        text = file.read_text("utf-8").replace("interval: 15s", "interval: 1s")
        for there, here in stack.addresses.items():
            text = text.replace(there, here)
        (folder / file.name).write_text(text)
    return argument.replace("/etc/prometheus", str(folder)).replace("=/prometheus", f"={folder / 'data'}")


def until_four(url, query):
    """Ask Prometheus until four processes are in the answer."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            asked = httpx.get(f"{url}/api/v1/query", params={"query": query})
            # A Prometheus that is starting says 503 in plain text.
            found = asked.json()["data"]["result"] if asked.is_success else []
        except httpx.TransportError:
            found = []
        if len(found) == 4:
            return found
        assert time.monotonic() < until, found
        time.sleep(0.2)

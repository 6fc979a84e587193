"""Logs: whatever happens to a person's request, no line names them; and lines have only the fields that are listed."""

import ast
import io
import json
import logging
import os
import subprocess
import sys
import threading
import warnings
from contextlib import contextmanager
from dataclasses import replace

import pytest
import structlog
from aiohttp import web
from fastapi import FastAPI

from connectors.rest.sandbox import Sandbox
from hub.errors import ConfigurationError
from hub.logs import DROPPED, FIELDS, WITHHELD, log_to_stderr
from hub.problems import install
from hub.settings import HOME
from hub.tracing import Span, Tracer, within
from tests.hub.conftest import submission_of

CANARY = "Canarinette"
LOUD = {"HUB_LOG_LEVEL": "debug", "HUB_LOG_FORMAT": "json"}
METHODS = {"debug", "info", "warning", "error", "critical", "exception", "msg", "bind"}


@contextmanager
def logging_to(stream, environment):
    """Log as a hub of this environment does, and as before afterwards."""
    root, config = logging.getLogger(), structlog.get_config()
    before, level, hooks = list(root.handlers), root.level, (sys.excepthook, threading.excepthook)
    log_to_stderr(stream, environment)
    try:
        yield
    finally:
        structlog.configure(**config)
        logging.captureWarnings(capture=False)
        root.handlers[:], root.level = before, level
        sys.excepthook, threading.excepthook = hooks


@pytest.fixture
def lines():
    """What a hub that says all it can has logged, line by line."""
    stream = io.StringIO()
    with logging_to(stream, LOUD):
        logging.getLogger().setLevel(logging.DEBUG)  # libraries are kept to WARNING: even if somebody lets them speak
        [handler] = [one for one in logging.getLogger().handlers if getattr(one, "stream", None) is stream]
        zeep = logging.getLogger("zeep.transports")
        zeep.addHandler(handler)  # the test runner takes the root's handlers away now and then
        yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
        zeep.removeHandler(handler)


class Indiscreet(Sandbox):
    """A target that says the citizen's name whatever it answers."""

    said = ""

    async def _answer(self, request):
        answer = await super()._answer(request)
        if not self.said:
            return answer
        status, text = self.said
        return web.Response(status=status, text=text, content_type="application/json")


@pytest.fixture
async def target():
    sandbox = Indiscreet()
    await sandbox.start()
    yield sandbox
    await sandbox.stop()


async def test_a_canary_goes_through_everything_and_is_in_no_line(lines, running, portal, operator, target):
    person = {"name": CANARY, "data": {"objet": CANARY}}
    applicant = submission_of(name=CANARY)["applicant"] | {"contact": {"email": f"{CANARY}@example.org"}}
    accepted = await portal.submitted("a_retrouver", key="taken", **person)
    await portal.until(accepted, "done")
    for key, raw in (
        (f"{CANARY}-1", {**submission_of(name=CANARY), "data": {"objet": [CANARY]}}),
        (f"{CANARY}-2", {**submission_of(name=CANARY), "kind": CANARY}),
        (f"{CANARY}-3", {"applicant": applicant, CANARY: CANARY}),
        ("", submission_of(name=CANARY)),
    ):
        answer = await portal.post("/v1/requests", json=raw, headers={"Idempotency-Key": key})
        assert answer.status_code in {400, 404, 422}
    await portal.post("/v1/requests", content=f"{{{CANARY}", headers={"Idempotency-Key": "x"})
    await portal.get(f"/v1/requests?q={CANARY}")
    await portal.get(f"/v1/requests/{CANARY}")
    for said in (
        (200, CANARY),
        (200, json.dumps({"numero": {CANARY: CANARY}})),
        (200, json.dumps({"erreur": {"code": CANARY, "libelle": CANARY}})),
        (422, json.dumps({"erreur": {"code": CANARY, "libelle": CANARY}})),
        (500, CANARY),
        (401, CANARY),
    ):
        target.said = said
        number = await portal.submitted("sans_retour", key=f"said {said}", **person)
        await operator.until_state(f"{number}-1", "parked", "uncertain", "waiting", "delivered")
    target.said = ""
    target.break_with("cut_before", -1)
    lost = await portal.submitted("sans_retour", key="lost", **person)
    await operator.until_state(f"{lost}-1", "parked")
    logging.getLogger("zeep.transports").error("sent %s", CANARY)
    warnings.warn(f"input_value={CANARY!r}", UserWarning, stacklevel=1)
    assert any(line.get("logger") == "zeep.transports" for line in lines())
    assert CANARY.lower() not in json.dumps(lines()).lower()
    assert all(line.keys() <= FIELDS.keys() for line in lines())


def test_a_field_that_is_not_listed_is_left_out_and_counted(lines):
    before = DROPPED["family_name"]
    structlog.get_logger().warning("a source fails", target="hubee", family_name=CANARY, email=CANARY)
    assert lines()[0] | {"timestamp": ""} == {
        "event": "a source fails",
        "level": "warning",
        "target": "hubee",
        "timestamp": "",
        "dropped": 2,
    }
    assert DROPPED["family_name"] == before + 1


@pytest.mark.parametrize("value", [{CANARY: CANARY}, ValueError(CANARY), CANARY.encode(), object()])
def test_a_value_that_is_no_text_number_or_list_is_told_by_its_class(lines, value):
    structlog.get_logger().warning("a source fails", reason=value)
    assert lines()[0]["reason"] == type(value).__name__


def test_a_long_text_is_cut_and_cannot_make_a_second_line(lines):
    structlog.get_logger().warning("a source fails", reason="a\nb" + "x" * 1000)
    assert lines()[0]["reason"] == ("a b" + "x" * 1000)[:300]


def raising():
    """Raise as a connector's bug would."""
    try:
        return {}[CANARY]
    except KeyError as error:
        raise ValueError(CANARY) from error


def test_an_exception_is_told_by_its_class_its_place_and_the_way_there(lines):
    try:
        raising()
    except ValueError:
        structlog.get_logger().exception("connector failed")
    (line,) = lines()
    assert line["error"] == "ValueError"
    assert line["place"].startswith("test_logs.py:")
    assert line["stack"][-1].endswith(" raising")
    assert CANARY not in json.dumps(line)


def test_a_library_s_line_keeps_who_speaks_from_where_and_what_was_raised(lines):
    try:
        raising()
    except ValueError:
        logging.getLogger("celery.worker").exception("task %s failed", CANARY)
    (line,) = lines()
    assert (line["event"], line["logger"], line["level"]) == (WITHHELD, "celery.worker", "error")
    assert (line["error"], line["place"].partition(":")[0]) == ("ValueError", "test_logs.py")
    assert CANARY not in json.dumps(line)


def test_libraries_speak_from_warning_on():
    stream = io.StringIO()
    with logging_to(stream, LOUD):
        logging.getLogger("aiohttp.access").info("GET /?nom=x")
    assert stream.getvalue() == ""


def test_libraries_texts_are_shown_to_who_asks_and_the_log_says_so():
    stream = io.StringIO()
    with logging_to(stream, {**LOUD, "HUB_LOG_LIBRARIES": "text"}):
        logging.getLogger("celery").error("no route to %s", "broker")
    said = [json.loads(line)["event"] for line in stream.getvalue().splitlines()]
    assert said == ["libraries' own texts are shown: personal data may be among them", "no route to broker"]


def test_what_nobody_caught_in_a_thread_is_told_without_its_text(lines):
    thread = threading.Thread(target=raising)
    thread.start()
    thread.join()
    (line,) = lines()
    assert (line["event"], line["error"]) == ("nobody caught it in a thread", "ValueError")
    assert CANARY not in json.dumps(line)


def test_what_happens_for_a_delivery_names_its_request_and_its_trace(lines):
    with within(Span("a" * 32, "b" * 16, request=100_000_042, delivery=100_000_042_001)):
        structlog.get_logger().error("connector failed")
        logging.getLogger("zeep").error("x")
    for line in lines():
        assert (line["request"], line["delivery"], line["trace_id"]) == ("100000042", "100000042-1", "a" * 32)


class Buggy:
    """A connector that says in its bugs what it was given."""

    async def deliver(self, message):
        raise LookupError(message.body.decode())

    async def look_up(self, message):
        raise LookupError(message.body.decode())

    async def close(self):
        pass


async def test_a_connector_s_bug_is_found_by_its_request_and_its_trace(lines, running, portal, operator):
    live = running.engine._live
    live["cible"] = replace(live["cible"], connector=Buggy())
    number = await portal.submitted("sans_retour", name=CANARY, data={"objet": CANARY})
    await operator.until_state(f"{number}-1", "parked", "uncertain")
    found = next(line for line in lines() if line["event"] == "connector failed")
    assert found | {"timestamp": "", "level": ""} == {
        "event": "connector failed",
        "error": "LookupError",
        "request": f"{number}",
        "delivery": f"{number}-1",
        "trace_id": Tracer(running.secret).accepting(int(number), None).trace_id,
        "timestamp": "",
        "level": "",
    }
    assert CANARY not in json.dumps(lines())


@pytest.mark.parametrize(("name", "value"), [("HUB_LOG_FORMAT", "xml"), ("HUB_LOG_LEVEL", "loud")])
def test_a_setting_that_is_unknown_is_refused(name, value):
    with pytest.raises(ConfigurationError, match=name):
        log_to_stderr(io.StringIO(), {name: value})


def test_people_are_shown_lines_to_read():
    stream = io.StringIO()
    with logging_to(stream, {"HUB_LOG_FORMAT": "console"}):
        structlog.get_logger().warning("a source fails", target="hubee", family_name=CANARY)
    assert "a source fails" in stream.getvalue()
    assert not stream.getvalue().startswith("{")
    assert CANARY not in stream.getvalue()


def test_a_hub_that_starts_logs_lines_of_json_and_nothing_else(tmp_path):
    environment = os.environ | {"HUB_LOG_LEVEL": "DEBUG"}
    command = [sys.executable, "-m", "hub", "up", "--port", "0", "--json", "--tied"]
    result = subprocess.run(
        command, cwd=tmp_path, env=environment, input=b"", capture_output=True, timeout=120, check=False
    )
    assert result.returncode == 0, result.stderr
    said = [json.loads(line) for line in result.stderr.decode().splitlines()]
    assert "kinds not offered, for want of targets" in [line["event"] for line in said]
    assert all(line.keys() <= FIELDS.keys() for line in said)


def calls():
    """Find every call of a log in the project's code: where, which method, and its node."""
    for folder in ("hub", "connectors", "monitoring"):
        for file in sorted((HOME / folder).rglob("*.py")):
            tree = ast.parse(file.read_text("utf-8"))
            for node in ast.walk(tree):
                match node:
                    case ast.Call(func=ast.Attribute(value=ast.Name(id="log" | "logger"), attr=method)):
                        if method in METHODS:
                            yield f"{file.relative_to(HOME)}:{node.lineno}", method, node


def is_sentence(node):
    """Say whether a value is a text that stands in the code, or one of two."""
    if isinstance(node, ast.IfExp):
        return is_sentence(node.body) and is_sentence(node.orelse)
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def test_every_line_of_the_project_is_a_sentence_of_the_code_with_listed_fields():
    found = list(calls())
    assert len(found) > 20
    for where, method, node in found:
        assert method in {"debug", "info", "warning", "error"}, where
        assert len(node.args) == 1, where
        assert is_sentence(node.args[0]), f"{where}: an event is a sentence of the code"
        unlisted = {said.arg for said in node.keywords} - FIELDS.keys() - {"exc_info"}
        assert not unlisted, f"{where}: {unlisted} not in hub.logs.FIELDS"


def test_nobody_else_in_the_project_logs_or_prints():
    wanted = {"hub/logs.py", "hub/problems.py"}
    for folder in ("hub", "monitoring"):
        for file in (HOME / folder).rglob("*.py"):
            text = file.read_text("utf-8")
            if str(file.relative_to(HOME)) not in wanted:
                assert "logging.getLogger" not in text, file


def test_the_door_s_unknown_errors_keep_their_class_and_place(lines):
    install(FastAPI())
    try:
        raising()
    except ValueError:
        logging.getLogger("uvicorn.error").exception("Exception in ASGI application\n")
    (line,) = lines()
    assert (line["event"], line["error"], line["stack"][-1].split()[-1]) == (WITHHELD, "ValueError", "raising")
    assert CANARY not in json.dumps(line)

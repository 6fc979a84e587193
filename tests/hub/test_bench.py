"""The benchmark measures what it says: small runs, real processes, known numbers."""

from __future__ import annotations

import asyncio
import http.client
import os
import random
from io import StringIO
from urllib.parse import urlsplit

import jsonschema_rs
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from hub.bench import grow, growth, run, sealing
from hub.bench.enrolment import Enrolment, write_message
from hub.bench.launch import BenchError, Command, launched, read
from hub.bench.load import UNANSWERED, Plan, measure, read_status
from hub.bench.meter import cost_of
from hub.bench.questions import QUESTIONS
from hub.bench.report import Options, Report, Row, percentile, typical
from hub.bench.request import PATH, sample, vary, writer
from hub.bench.sink import end_of_message
from hub.bench.systems import ASSETS, Site, plain_stack
from hub.bench.systems import sink as sink_of
from hub.bench.trial import Count, put_under_load
from hub.catalogue import Catalogue
from hub.errors import ConfigurationError
from hub.model import Submission
from hub.servers import free_port
from hub.settings import Settings

ONLY_ITS_OWN_MACHINE_KNOWS = ["end_to_end_per_s", "cpu_ms_per_request", "peak_memory_mb", "lost", "doubled"]
KEPT = b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\n{}"


@pytest.fixture
def sink(tmp_path):
    with sink_of(0.0, tmp_path) as system:
        yield system


def post(url: str, headers: dict[str, str]) -> int:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    try:
        connection.request("POST", "/inscriptions", b"{}", headers)
        return connection.getresponse().status
    finally:
        connection.close()


def row(speed: float, lost: int = 0, doubled: int = 0) -> Row:
    return Row(
        name="hub", mode="embedded", end_to_end_per_s=speed, accepted_per_s=speed, accept_p50_ms=1.0,
        accept_p99_ms=2.0, lost=lost, doubled=doubled,
    )  # fmt: skip


def test_the_plain_stack_loses_and_doubles_nothing_of_a_small_load(tmp_path):
    report = run(Options(requests=200, connections=8, systems=("plain-stack",), folder=tmp_path))
    [plain] = report.systems
    assert (plain.name, plain.lost, plain.doubled) == ("plain-stack", 0, 0)
    assert plain.end_to_end_per_s
    assert plain.cpu_ms_per_request
    assert plain.peak_memory_mb
    assert not list(tmp_path.iterdir())


def test_hub_and_baseline_on_servers_lose_and_double_nothing_and_are_held_against_each_other(tmp_path):
    names = ("hub-distributed", "plain-celery")
    try:
        report = run(Options(mode="distributed", requests=200, connections=8, systems=names, folder=tmp_path))
    except ConfigurationError as missing:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(missing))
    said = orjson.loads(report.as_json())
    rows = said["systems"]
    assert [(row["name"], row["mode"], row["lost"], row["doubled"]) for row in rows] == [
        (name, "distributed", 0, 0) for name in names
    ]
    assert all(row["servers_cpu_ms_per_request"] > 0 and row["servers_peak_memory_mb"] > 0 for row in rows)
    assert said["times_baseline"] == pytest.approx(rows[0]["end_to_end_per_s"] / rows[1]["end_to_end_per_s"], abs=0.1)


def test_nothing_is_said_of_servers_where_there_are_none():
    [said] = orjson.loads(Report(systems=(row(100),)).as_json())["systems"]
    assert not any(name.startswith("servers") for name in said)


def test_each_mode_has_its_own_systems():
    assert Options().systems == ("hub", "plain-stack", "hub-slow-target")
    assert Options(mode="distributed").systems == ("hub-distributed", "plain-celery", "hub-distributed-slow-target")


def test_the_hub_is_so_many_times_as_fast_as_its_baseline():
    ours, theirs = row(1000), row(125).model_copy(update={"name": "plain-stack"})
    assert Report(systems=(ours, theirs)).times_baseline == 8.0
    assert Report(systems=(ours,)).times_baseline is None


def test_growth_is_told_question_by_question(tmp_path):
    grown = grow(growth.Options(requests=1000, database="sqlite", repeat=1, folder=tmp_path, plans=True))
    said = orjson.loads(grown.as_json())
    assert [one["question"] for one in said["rows"]] == list(QUESTIONS)
    assert list(said["rows"][0]["ms"]) == ["10", "100", "1,000", "1,000 all parked", "1,000 all queued"]
    assert any("delivery_ready" in plan for plan in said["rows"][0]["plan"])
    console = Console(width=160, file=StringIO(), record=True)
    console.print(grown.as_table())
    shown = console.export_text()
    assert all(question in shown for question in QUESTIONS)
    assert not list(tmp_path.iterdir())


def test_the_sink_counts_each_key_once_and_tells_which_came_back(sink):
    statuses = [post(sink.url, {"Idempotency-Key": key}) for key in ("a", "b", "b", "b", "c")]
    count = Count.of(sink)
    assert statuses == [201] * 5
    assert (count.distinct, count.total, count.doubled) == (3, 5, 1)


def test_the_sink_refuses_a_message_without_a_key(sink):
    assert post(sink.url, {}) == 400
    assert Count.of(sink).total == 0


def test_a_slow_sink_answers_many_at_once_and_counts_all(tmp_path):
    with sink_of(0.05, tmp_path) as slow:
        asyncio.run(measure(Plan(url=slow.url, requests=100, connections=50)))
        assert Count.of(slow).distinct == 100


def test_the_load_submits_every_request_under_a_key_of_its_own(sink):
    measured = asyncio.run(measure(Plan(url=sink.url, requests=500, connections=16, seed=7)))
    count = Count.of(sink)
    assert measured.statuses == {201: 500}
    assert (count.distinct, count.doubled) == (500, 0)


def test_the_same_seed_submits_the_same_keys_again(sink):
    for _ in range(2):
        asyncio.run(measure(Plan(url=sink.url, requests=50, seed=7)))
    assert Count.of(sink).doubled == 50


def test_a_load_on_a_closed_port_counts_every_request_as_unanswered():
    measured = asyncio.run(measure(Plan(url=f"http://127.0.0.1:{free_port()}", requests=20)))
    assert (measured.accepted, measured.statuses) == (0, {UNANSWERED: 20})


async def test_a_load_on_a_silent_server_ends_when_its_time_is_up():
    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        measured = await measure(Plan(url=f"http://127.0.0.1:{port}", requests=9, connections=3, within=0.1))
    assert measured.statuses == {UNANSWERED: 9}


async def test_a_connection_that_the_server_closes_is_opened_again():
    async def answer_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(head.lower().partition(b"content-length:")[2].split()[0]))
        writer.write(KEPT.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        writer.close()

    async with await asyncio.start_server(answer_once, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        measured = await measure(Plan(url=f"http://127.0.0.1:{port}", requests=12, connections=3))
    assert (measured.accepted, measured.statuses) == (12, {202: 12})


def test_a_load_of_which_nothing_is_accepted_is_an_error_and_not_a_figure(sink):
    with pytest.raises(BenchError, match=r"nothing was accepted: \{201: 5\}"):
        put_under_load(sink.url, Options(requests=5))


def test_a_hub_that_runs_elsewhere_is_measured_at_its_door_only(sink, tmp_path):
    with plain_stack(Site(tmp_path, sink.url)) as there:
        report = run(Options(url=there.url, headers=dict(there.headers), requests=20))
    [said] = orjson.loads(report.as_json())["systems"]
    assert said["accepted_per_s"] > 0
    assert [name for name, value in said.items() if value is None] == ONLY_ITS_OWN_MACHINE_KNOWS
    assert Count.of(sink).doubled == 0


def test_the_table_shows_every_figure_of_the_report():
    report = Report(systems=(row(1234.5, lost=7),))
    console = Console(width=100, file=StringIO(), record=True)
    console.print(report.as_table())
    shown = console.export_text()
    assert all(figure in shown for figure in ("1,234", "1.00", "2.00", "7", "–"))


@pytest.mark.parametrize("announces", [True, False])
def test_a_process_that_dies_at_its_start_tells_the_end_of_its_log(tmp_path, announces):
    words = ["/bin/sh", "-c", "echo no such database >&2; exit 3"]
    command = Command(words, tmp_path / "hub.log", announces=announces)
    with launched(command) as broken, pytest.raises(BenchError, match="hub did not start\nno such database"):
        broken.announcement() if announces else broken.wait_until_ready(f"http://127.0.0.1:{free_port()}")


def test_a_stopped_system_leaves_no_process_behind(tmp_path):
    with sink_of(0.0, tmp_path) as system:
        assert cost_of(system.pids).peak > 1_000_000
    assert all(process.popen.returncode is not None for process in system.processes)
    with pytest.raises(OSError, match="refused"):
        read(system.url, "/count")


@pytest.mark.parametrize(
    ("values", "rank", "expected"),
    [
        ([], 99, 0.0),
        ([5.0], 50, 5.0),
        ([5.0], 99, 5.0),
        ([float(n) for n in range(1, 101)], 50, 50.0),
        ([float(n) for n in range(1, 101)], 99, 99.0),
        ([float(n) for n in range(1, 1001)], 99, 990.0),
        ([3.0, 1.0, 2.0, 4.0], 50, 2.0),
        ([3.0, 1.0, 2.0, 4.0], 100, 4.0),
    ],
)
def test_a_percentile_is_the_nearest_rank(values, rank, expected):
    assert percentile(values, rank) == expected


@given(st.lists(st.floats(0, 1e6), min_size=1), st.integers(1, 100))
def test_a_percentile_is_a_value_that_enough_values_do_not_exceed(values, rank):
    found = percentile(values, rank)
    assert found in values
    assert sum(value <= found for value in values) * 100 >= rank * len(values)


def test_the_middle_repetition_stands_for_all_but_hides_no_loss():
    kept = typical([row(300, doubled=1), row(100, lost=2), row(200)])
    assert (kept.end_to_end_per_s, kept.lost, kept.doubled) == (200, 2, 1)


@pytest.mark.parametrize(
    ("received", "status"),
    [
        (b"", None),
        (KEPT[:20], None),
        (KEPT[:-1], None),
        (KEPT, 202),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204),
        (b"HTTP/1.1 503 Busy\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n", None),
        (b"HTTP/1.1 503 Busy\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 503),
    ],
)
def test_an_answer_has_a_status_once_it_is_whole(received, status):
    assert read_status(received) == status


@given(st.binary(max_size=200), st.data())
def test_a_message_ends_where_its_length_says_however_it_is_cut(body, data):
    message = b"POST / HTTP/1.1\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
    cut = data.draw(st.integers(0, len(message) - 1))
    assert end_of_message(message[:cut]) == 0
    assert end_of_message(message + b"POST /") == len(message)


def test_each_request_is_whole_unique_and_of_one_and_a_half_kilobytes():
    write = writer("http://127.0.0.1:1", {"Authorization": "Bearer k"}, sample(), seed=3)
    seen = set()
    for ordinal in range(200):
        head, _, body = write(ordinal).partition(b"\r\n\r\n")
        lines = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
        submission = Submission.model_validate_json(body)
        assert head.startswith(f"POST {PATH} HTTP/1.1\r\n".encode())
        assert int(lines["Content-Length"]) == len(body)
        assert lines["Idempotency-Key"] == submission.external_reference
        assert 1450 <= len(body) <= 1600
        seen.add(submission.external_reference)
    assert len(seen) == 200


def test_both_systems_read_the_same_request_and_write_the_same_thirty_fields():
    definition = Catalogue.read(ASSETS).kinds["banc.essai"]
    submission = vary(sample(), random.Random(1))  # not a secret
    jsonschema_rs.validate(dict(definition.schema), submission["data"])
    by_hub = definition.mappings["rest/banc_essai"].apply(submission)
    by_hand = write_message(Enrolment.model_validate(submission["data"]))
    assert by_hub == by_hand
    assert len(by_hub) == 30


def test_the_mapping_of_the_benchmark_keeps_its_examples():
    mapping = Catalogue.read(ASSETS).kinds["banc.essai"].mappings["rest/banc_essai"]
    assert [mapping.apply(example.given) for example in mapping.examples] == [
        example.expect for example in mapping.examples
    ]


def test_the_settings_of_the_benchmark_are_settings_of_a_hub(tmp_path):
    file = tmp_path / "hub.yaml"
    file.write_text((ASSETS / "hub.yaml").read_text().replace("$sink", "http://127.0.0.1:9"))
    said = Settings.read(file)
    assert set(said.targets) == {"banc"}
    assert said.homes[0] == tmp_path


def test_what_sealing_costs_is_told_step_by_step():
    told = sealing.measure(rounds=5)
    assert set(told) == {"accepted", "claimed", "recorded", "a_request", "sha256_of_a_kilobyte"}
    assert all(cost >= 0 for cost in told.values())

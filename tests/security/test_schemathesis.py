"""Whatever is asked of the API, well or badly, by whomever: it answers as its description says, and never with a 5xx.

FUZZ_EXAMPLES says how many requests are made of each operation in each manner; `make fuzz` makes more.
"""

from __future__ import annotations

import os
import zlib

import orjson
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed
from hypothesis import settings as limits
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from hub.access import EVERY_HOUSE, Role
from hub.bench.request import sample
from hub.bench.systems import Site, hub_embedded
from hub.catalogue import Catalogue
from hub.locksmith import Wanted, make_keys
from hub.problems import ProblemType
from hub.published import openapi
from hub.settings import HOME, Settings

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "2"))
CLOSED = "http://127.0.0.1:9"
"""A target that takes nothing: what is carried to it waits, and may be retried, closed by hand or cancelled."""

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
UNREAD = {kind.status for kind in (ProblemType.REQUEST_TIMED_OUT, ProblemType.URL_TOO_LONG, ProblemType.HEAD_TOO_LARGE)}
"""What is refused before it is known which operation was meant, and is therefore described with none of them."""

MANNERS = {"well": GenerationMode.POSITIVE, "badly": GenerationMode.NEGATIVE}
LAID_DOWN = {"deadline": None, "derandomize": False, "database": None, "phases": [Phase.generate]}
DESCRIPTION = openapi(Catalogue.read(HOME))
VERBS = {"get", "put", "post", "patch", "delete"}
OPERATIONS = [(path, verb) for path, said in DESCRIPTION["paths"].items() for verb in said if verb in VERBS]


class Api:
    """A hub with a little in it, the keys of those who may come, and what its description says."""

    def __init__(self, url, keys):
        self.url = url
        self.headers = {role: {"Authorization": f"Bearer {key}"} for role, key in keys.items()} | {"nobody": {}}
        self.schema = schemathesis.openapi.from_dict(DESCRIPTION)
        self.line = requests.Session()
        self.known = self._fill()

    def _fill(self):
        """Submit requests, and give what paths may name."""
        front_end = self.headers["front_end"]
        numbers = []
        for ordinal in range(3):
            said = self.line.post(
                f"{self.url}/v1/requests", json=sample(), headers={**front_end, "Idempotency-Key": f"fuzz-{ordinal}"}
            )
            assert said.status_code == 202, said.text
            numbers.append(said.json()["number"])
        return {
            "number": st.sampled_from(numbers),
            "delivery": st.sampled_from([f"{number}-0" for number in numbers]),
            "kind": st.just("banc.essai"),
            "target": st.just("banc"),
            "name": st.just("banc"),
        }


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    """A hub of its own process."""
    folder = tmp_path_factory.mktemp("fuzzed")
    with hub_embedded(Site(folder, CLOSED)) as hub:
        wanted = [Wanted("banc", Role.FRONT_END), Wanted(EVERY_HOUSE, Role.AGENT), Wanted(EVERY_HOUSE, Role.OPERATOR)]
        made = make_keys(Settings.read(folder / "hub.yaml"), *wanted)
        yield Api(hub.url.rstrip("/"), {str(one.role): key for one, key in zip(wanted, made, strict=True)})


def asked(api, operation, manner):
    """Make requests of an operation, in a manner, some of which name what is there."""
    plain = operation.as_strategy(generation_mode=MANNERS[manner])
    named = {one.name for one in operation.path_parameters}
    if manner == "badly" or not named or not named <= api.known.keys():
        return plain
    values = st.fixed_dictionaries({name: api.known[name] for name in named})
    return values.flatmap(lambda chosen: operation.as_strategy(path_parameters=chosen))


@pytest.mark.parametrize(("path", "verb"), OPERATIONS, ids=[f"{verb} {path}" for path, verb in OPERATIONS])
def test_it_answers_anybody_as_its_description_says(api, path, verb):
    operation = api.schema[path][verb.upper()]
    for manner in MANNERS:

        @seed(zlib.crc32(f"{verb} {path} {manner}".encode()))
        @limits(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck), **LAID_DOWN)
        @given(case=asked(api, operation, manner))
        def answers(case):
            for headers in api.headers.values():
                answer = case.call(base_url=api.url, session=api.line, headers=headers)
                if answer.status_code in UNREAD:
                    assert answer.json()["status"] == answer.status_code
                else:
                    case.validate_response(answer, checks=CHECKS)

        answers()


def test_the_hub_is_well_after_all_that(api):
    assert api.line.get(f"{api.url}/health/ready").status_code == 200
    metrics = api.line.get(f"{api.url}/metrics", headers=api.headers["operator"])
    assert orjson.dumps(metrics.text)
    assert metrics.status_code == 200

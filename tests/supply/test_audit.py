"""Silence about vulnerabilities is believed only of a service that knows what it was asked about."""

import pytest

from tests.supply.audit import Outcome, conclude, outcome_of

FLAWED = {
    "name": "jinja2",
    "version": "2.10",
    "vulns": [{"id": "PYSEC-2019-217", "fix_versions": ["2.10.1"], "aliases": ["CVE-2019-10906"]}],
}
SOUND = {"name": "httpx", "version": "0.28.1", "vulns": []}
UNKNOWN = {"name": "jlens", "skip_reason": "Dependency not found on PyPI"}


def report(*packages):
    return outcome_of({"dependencies": list(packages), "fixes": []})


@pytest.mark.parametrize("strict", [True, False])
def test_a_known_vulnerability_stops_the_check_and_says_what_mends_it(strict):
    assert conclude([report(FLAWED, UNKNOWN, UNKNOWN)], strict=strict) == (
        "jinja2 2.10: PYSEC-2019-217, mended by 2.10.1",
        1,
    )


@pytest.mark.parametrize(
    "outcomes", [[None, None], [report(UNKNOWN, UNKNOWN), None], [report(SOUND, UNKNOWN)], [report()]]
)
def test_where_nobody_answers_it_is_said_that_nothing_was_run(outcomes):
    said = "not run: no vulnerability service reachable"
    assert conclude(outcomes, strict=False) == (said, 0)
    assert conclude(outcomes, strict=True) == (said, 1)


def test_silence_is_believed_of_a_service_that_knows_nearly_everything():
    asked = Outcome(95, ("jlens",), ())
    assert conclude([None, asked], strict=True) == ("95 packages asked about, no vulnerability known", 0)

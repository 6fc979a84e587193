"""The exam every connector sits: a folder that holds a `connector.toml` is found here, and asked everything.

What is asked is in `hub/exam/papers.py`; each check that the tier of a connector
needs is a test of its own, by its sentence.
"""

from functools import cache

import pytest

from hub.exam.candidate import Subject
from hub.exam.papers import Tier, papers
from hub.packages import find_packages
from hub.settings import HOME

PACKAGES = find_packages(HOME)


@cache
def subject_of(name):
    return Subject.of(PACKAGES[name])


def is_claimed(name, check):
    return check.tier.rank <= Tier(subject_of(name).manifest.tier).rank


EXAMINED = [name for name in PACKAGES if not subject_of(name).manifest.builtin]
CASES = [(name, check) for name in EXAMINED for check in papers(subject_of(name)) if is_claimed(name, check)]


@pytest.mark.parametrize(("name", "check"), CASES, ids=[f"{name}: {check.title}" for name, check in CASES])
async def test_it_passes_the_exam(name, check):
    await check.ask(subject_of(name))

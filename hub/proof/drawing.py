"""Values drawn from Hypothesis outside of tests: the same ones each time, nothing printed, nothing left behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import Any

import hypothesis
from hypothesis import HealthCheck, Phase
from hypothesis.configuration import set_hypothesis_home_dir
from hypothesis.strategies import SearchStrategy


def drawn(strategy: SearchStrategy[Any], samples: int, seed: int | None = 0) -> list[Any]:
    """Draw so many values; the same ones each time for the same `seed`."""
    found: list[Any] = []
    _run(strategy, found.append, samples, seed, Phase.generate)
    return found


def shrunk(strategy: SearchStrategy[Any], shows: Callable[[Any], bool], samples: int, seed: int | None) -> Any:
    """Find the smallest value that shows something; None when so many samples do not show it."""
    found: list[Any] = []

    def look(value: Any) -> None:
        if shows(value):
            found.append(value)
            raise _ShownError

    try:
        _run(strategy, look, samples, seed, Phase.generate, Phase.shrink)
    except _ShownError:
        return found[-1]
    return None


class _ShownError(Exception):
    """A value shows what is looked for."""


def _run(
    strategy: SearchStrategy[Any], body: Callable[[Any], None], samples: int, seed: int | None, *phases: Phase
) -> None:
    calm = hypothesis.settings(
        max_examples=samples, deadline=None, database=None, phases=phases, suppress_health_check=list(HealthCheck)
    )

    def run(value: Any) -> None:
        body(value)

    made = calm(hypothesis.given(strategy)(run))
    with without_a_trace():
        (made if seed is None else hypothesis.seed(seed)(made))()


@contextmanager
def without_a_trace() -> Iterator[None]:
    """Let Hypothesis keep what it remembers in a folder that is gone afterwards."""
    with TemporaryDirectory(prefix="hub-") as folder:
        set_hypothesis_home_dir(folder)
        try:
            yield
        finally:
            set_hypothesis_home_dir(None)

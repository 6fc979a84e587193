"""How fast the hub is, beside what a team would write first, on the same machine and under the same load.

Every part is a process of its own: the load (`load`), the target (`sink`), the system under test
(`systems` starts it; `plain` and `plain_celery` are the baselines). `trial` runs them together, `meter` reads
what the system cost, `report` holds what came out. `growth` asks the same questions of ledgers of growing size.
Nothing here listens beyond the loopback address.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hub.bench import growth
    from hub.bench.report import Options, Report


def run(options: Options) -> Report:
    """Measure each of the systems asked for, one after the other; progress goes to standard error.

    Raises BenchError when a system does not start, or when nothing at all was accepted.
    """
    from hub.bench.trial import compare  # noqa: PLC0415  # measured processes import this package too

    return compare(options)


def grow(options: growth.Options) -> growth.Growth:
    """Measure what is asked of ledgers of growing size; progress goes to standard error."""
    from hub.bench.growth import measure  # noqa: PLC0415  # as above

    return measure(options)

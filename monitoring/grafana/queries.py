"""Queries to Prometheus, made from the definitions: how several processes are put together is not said twice."""

from __future__ import annotations

from typing import Final

from monitoring.definitions import DEFINITIONS, Across, Definition, Sort

RATE: Final = "[$__rate_interval]"


def now(name: str, by: str = "", where: str = "") -> str:
    """Ask how a gauge stands: once, however many processes publish it, and added up over the labels not named."""
    said = _known(name, Sort.GAUGE)
    chosen = f"{name}{{{where}}}" if where else name
    if said.across is Across.EACH:
        return chosen
    one = _over("max", " ".join(said.labels), chosen)
    return one if set(by.split()) == set(said.labels) else _over("sum", by, one)


def worst(name: str, by: str = "", where: str = "") -> str:
    """Ask for the largest of a gauge, over the labels not named: of ages, which do not add up."""
    _known(name, Sort.GAUGE)
    return _over("max", by, f"{name}{{{where}}}" if where else name)


def rate(name: str, by: str = "", where: str = "") -> str:
    """Ask how much a counter rises a second."""
    said = _known(name, Sort.COUNTER)
    [scraped] = said.scraped
    chosen = f"{scraped}{{{where}}}" if where else scraped
    return _over(said.across, by, f"rate({chosen}{RATE})")


def share(quantile: float, name: str, by: str = "", where: str = "") -> str:
    """Ask below which duration a share of them lies."""
    _known(name, Sort.HISTOGRAM)
    chosen = f"{name}_bucket{{{where}}}" if where else f"{name}_bucket"
    return f"histogram_quantile({quantile}, {_over('sum', f'le {by}', f'rate({chosen}{RATE})')})"


def _known(name: str, sort: Sort) -> Definition:
    said = DEFINITIONS[name]
    if said.sort is not sort:
        raise ValueError(f"{name} is a {said.sort}")
    return said


def _over(what: str, by: str, expression: str) -> str:
    labels = ", ".join(by.split())
    return f"{what} by ({labels}) ({expression})" if labels else f"{what}({expression})"

"""Panels of dashboards, in the few shapes that are used, and where they lie."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from grafana_foundation_sdk.builders import dashboard, prometheus, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.builders.common import ReduceDataOptions, VizLegendOptions
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    LegendDisplayMode,
    LegendPlacement,
)
from grafana_foundation_sdk.models.dashboard import DataSourceRef, GridPos, Threshold, ThresholdsMode

SOURCE: Final = DataSourceRef(type_val="prometheus", uid="prometheus")
WIDTH: Final = 24

SHAPES: Final[Mapping[str, Any]] = {
    "stat": stat.Panel,
    "lines": timeseries.Panel,
    "states": statetimeline.Panel,
    "table": table.Panel,
}


@dataclass(frozen=True, slots=True)
class Curve:
    """One query, and how what it gives is called."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Said:
    """One panel: its title, what it means, what it shows and how; `red` is the value from which it is."""

    title: str
    meaning: str
    curves: tuple[Curve, ...]
    shape: str = "lines"
    unit: str = "short"
    width: int = 12
    red: float | None = None

    @property
    def height(self) -> int:
        """How high it is: one figure needs half of what curves need."""
        return 4 if self.shape == "stat" else 8


def figure(title: str, meaning: str, expr: str, *, unit: str = "short", red: float | None = None) -> Said:
    """Show one figure."""
    return Said(title, meaning, (Curve(expr),), "stat", unit, 4, red)


def laid(panels: Sequence[Said]) -> Iterator[Any]:
    """Lay panels from left to right, line after line, each line as high as its first."""
    x = y = height = 0
    for number, said in enumerate(panels, 1):
        if x + said.width > WIDTH or (x and said.height != height):
            x, y = 0, y + height
        height = said.height
        yield _built(said).id(number).grid_pos(GridPos(h=height, w=said.width, x=x, y=y))
        x += said.width


def _built(said: Said) -> Any:
    panel: Any = SHAPES[said.shape]()
    panel = panel.title(said.title).description(said.meaning).datasource(SOURCE).unit(said.unit)
    for number, curve in enumerate(said.curves):
        panel = panel.with_target(_query(curve, number, said.shape))
    if said.red is not None:
        steps = [Threshold(color="green", value=None), Threshold(color="red", value=said.red)]
        panel = panel.thresholds(dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps))
    return FINISH.get(said.shape, lambda one: one)(panel)


def _query(curve: Curve, number: int, shape: str) -> Any:
    query = prometheus.Dataquery().expr(curve.expr).ref_id(chr(ord("A") + number))
    if curve.legend:
        query = query.legend_format(curve.legend)
    return query.instant() if shape in {"stat", "table"} else query.range()


def _finish_stat(panel: Any) -> Any:
    reduced = ReduceDataOptions().calcs(["lastNotNull"])
    return panel.color_mode(BigValueColorMode.BACKGROUND).graph_mode(BigValueGraphMode.NONE).reduce_options(reduced)


def _finish_lines(panel: Any) -> Any:
    legend = VizLegendOptions().display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM).show_legend(True)  # noqa: FBT003  # its only form
    return panel.min(0).legend(legend)


FINISH: Final = {"stat": _finish_stat, "lines": _finish_lines}

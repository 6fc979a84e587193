"""Bars as figures of a drawing, which a template writes as SVG: in a page, or in a file of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, log10
from typing import Final

WIDTH: Final = 640
"""Units of a drawing; it is as wide as its place allows."""

HEIGHT: Final = 240
LEFT, RIGHT, BOTTOM, TOP = 64, 24, 28, 12
LINES: Final = 4
ROUND: Final = (1, 2, 2.5, 5, 10)
MOST_LABELS: Final = 14


@dataclass(frozen=True, slots=True)
class Bar:
    """One figure: where its bar stands, and what is written under it, if there is room."""

    label: str
    figure: int
    x: float
    y: float
    width: float
    height: float
    is_labelled: bool

    @property
    def middle(self) -> float:
        """Where its label is centred."""
        return self.x + self.width / 2


@dataclass(frozen=True, slots=True)
class Line:
    """A line across the drawing, and the figure it stands for."""

    figure: float
    y: float


@dataclass(frozen=True, slots=True)
class Chart:
    """Upright bars over a scale."""

    bars: Sequence[Bar]
    lines: Sequence[Line]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    floor: int = HEIGHT - BOTTOM


def draw(figures: Sequence[tuple[str, int]]) -> Chart:
    """Draw a bar for each figure, in the order given."""
    step = _step(max((figure for _, figure in figures), default=0))
    most = step * LINES
    floor, room = HEIGHT - BOTTOM, HEIGHT - BOTTOM - TOP
    lines = [Line(step * line, floor - room * line / LINES) for line in range(LINES + 1)]
    place = (WIDTH - LEFT - RIGHT) / max(1, len(figures))
    every = ceil(len(figures) / MOST_LABELS)
    bars = []
    for at, (label, figure) in enumerate(figures):
        height = room * figure / most
        shown = (len(figures) - 1 - at) % max(1, every) == 0
        x, width = LEFT + place * (at + 0.12), place * 0.76
        bars.append(Bar(label, figure, round(x, 1), round(floor - height, 1), round(width, 1), round(height, 1), shown))
    return Chart(bars, lines)


def _step(most: int) -> float:
    """Choose a round step, four of which hold the largest figure."""
    wanted = max(1.0, most / LINES)
    power = 10 ** int(log10(wanted))
    step = next(power * one for one in ROUND if power * one >= wanted)
    return float(ceil(step))

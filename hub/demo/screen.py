"""What is seen of the hour: a live table on a terminal, a plain line every few seconds elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from hub.demo.story import OPEN_STATUSES, World, passed
from hub.lifecycle import State

LAST_LINES: Final = 9
"""How much of what happens is seen: with the table, a terminal of 24 lines."""

LIVE_EVERY: Final = 0.5
LINE_EVERY: Final = 3.0

COLUMNS: Final[Mapping[str, frozenset[State]]] = {
    "to send": frozenset({State.QUEUED, State.CLAIMED, State.SENDING}),
    "waiting": frozenset({State.WAITING}),
    "uncertain": frozenset({State.UNCERTAIN, State.ASKING}),
    "parked": frozenset({State.PARKED}),
    "finalized": frozenset({State.FINALIZED}),
    "delivered": frozenset({State.DELIVERED}),
}
"""What is shown of a target's deliveries, and the states each column counts."""

COLOURS: Final[Mapping[str, str]] = {
    "waiting": "yellow",
    "uncertain": "magenta",
    "parked": "red",
    "finalized": "cyan",
    "delivered": "green",
}
SPEAKERS: Final[Mapping[str, str]] = {"agent:": "green", "operator:": "cyan"}
TROUBLE: Final = "yellow"
"""The colour of what a sandbox does to us."""


@dataclass(frozen=True)
class Glance:
    """How things stand now."""

    accepted: int
    deliveries: Mapping[str, Counter[str]]
    """Target → column → how many."""
    stages: Counter[str]
    """What agents read on the requests that have not ended."""
    breakers: Mapping[str, str] = field(default_factory=dict)
    told: tuple[str, ...] = ()

    def line(self) -> str:
        """Say it on one line."""
        totals = sum(self.deliveries.values(), Counter[str]())
        counts = " · ".join(f"{totals[name]} {name}" for name in COLUMNS)
        return f"{self.accepted} requests accepted, {self.stages.total()} open; deliveries: {counts}"

    def drawing(self) -> RenderableType:
        """Draw it."""
        title = f"{self.accepted} requests accepted, {self.stages.total()} open"
        table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True)
        table.add_column("target")
        for name in COLUMNS:
            table.add_column(name, justify="right")
        table.add_column("breaker", style="red")
        for target, counts in self.deliveries.items():
            table.add_row(target, *(_count(name, counts[name]) for name in COLUMNS), self.breakers.get(target, ""))
        stages = Text(" · ".join(f"{count} {stage}" for stage, count in self.stages.most_common()), no_wrap=True)
        told = map(_told, self.told[-LAST_LINES:])
        return Group(Text(title, "bold"), Text(), table, Text(), stages, Text(), *told)


def _count(column: str, count: int) -> Text:
    return Text(str(count), COLOURS.get(column, "")) if count else Text("·", "dim")


def _told(line: str) -> Text:
    colour = next((colour for speaker, colour in SPEAKERS.items() if line.startswith(speaker)), TROUBLE)
    return Text(line, colour, no_wrap=True, overflow="ellipsis")


async def glance(world: World) -> Glance:
    """Look at the hub as any operator could, through its API."""
    health = await world.operator.targets()
    deliveries: dict[str, Counter[str]] = {str(target["name"]): Counter() for target in health}
    for cause in await world.operator.causes(state=list(State)):
        deliveries[cause["target"]][_column(cause["state"])] += cause["deliveries"]
    open_requests = [
        one["stage"] for status in OPEN_STATUSES async for one in world.operator.requests(status=status, limit=100)
    ]
    return Glance(
        accepted=len(world.accepted),
        deliveries=deliveries,
        stages=Counter(open_requests),
        breakers={str(target["name"]): "" if target["breaker"] == "closed" else target["breaker"] for target in health},
        told=tuple(world.told),
    )


async def show(world: World, console: Console) -> None:
    """Show how things stand until the story is over."""
    if not console.is_terminal:
        await _print_lines(world, console)
        return
    with Live(console=console, auto_refresh=False) as live:
        while not await passed(world.over, LIVE_EVERY):
            live.update((await glance(world)).drawing(), refresh=True)
        live.update((await glance(world)).drawing(), refresh=True)


async def _print_lines(world: World, console: Console) -> None:
    told = 0
    while not await passed(world.over, LINE_EVERY):
        told = await _print_line(world, console, told)
    await _print_line(world, console, told)


async def _print_line(world: World, console: Console, told: int) -> int:
    """Print what was told since, and how things stand; gives how much has been told."""
    seen = await glance(world)
    for line in [*(f"  {line}" for line in seen.told[told:]), seen.line()]:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    return len(seen.told)


def _column(state: str) -> str:
    return next((name for name, states in COLUMNS.items() if state in states), "")

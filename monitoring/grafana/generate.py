"""Make Grafana's dashboards.

    python -m monitoring.grafana.generate

writes them where Grafana is told to look; grafana-foundation-sdk, of the development environment, is needed for it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import VariableOption, VariableRefresh, VariableSort

from monitoring.grafana.boards import BOARDS, VARIABLES
from monitoring.grafana.panels import SOURCE, laid

FOLDER: Final = Path(__file__).parent / "dashboards"


def made(name: str) -> str:
    """Make one dashboard, as Grafana reads it."""
    title, panels = BOARDS[name]
    board = dashboard.Dashboard(title).uid(name).tags(["hub"]).refresh("30s").time("now-6h", "now").timezone("browser")
    board = board.readonly()
    if name in VARIABLES:
        board = board.with_variable(_variable(name, VARIABLES[name]))
    for panel in laid(panels):
        board = board.with_panel(panel)
    return f"{JSONEncoder(sort_keys=True, indent=1, ensure_ascii=False).encode(board.build())}\n"


def _variable(name: str, metric: str) -> dashboard.QueryVariable:
    chosen = VariableOption(text=["All"], value=["$__all"], selected=True)
    variable = dashboard.QueryVariable(name).label(name.capitalize()).datasource(SOURCE)
    variable = variable.query(f"label_values({metric}, {name})").refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
    return variable.sort(VariableSort.ALPHABETICAL_ASC).multi(True).include_all(True).current(chosen)  # noqa: FBT003  # its only form


def main() -> None:
    """Write every dashboard."""
    for name in BOARDS:
        (FOLDER / f"{name}.json").write_text(made(name), "utf-8")


if __name__ == "__main__":
    main()

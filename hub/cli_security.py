"""The verb that draws up the inventories which a homologation file asks for."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

import typer

from hub.cli_local import Config, read_settings
from hub.terminal import Json, say, say_json

if TYPE_CHECKING:
    from collections.abc import Sequence

security = typer.Typer(
    no_args_is_help=True, help="What a homologation file asks for.\n\nExample: hub security inventory -c hub.yaml"
)


@security.callback()
def within() -> None:
    """Keep `inventory` a word of its own."""


@security.command()
def inventory(config: Config = None, *, as_json: Json = False) -> None:
    """Draw up this installation's flows, logs and places of data, as Markdown; who receives what: `hub gdpr register`.

    Example: hub security inventory -c hub.yaml > annexe.md
    """
    from hub.inventory import inventory as draw_up

    drawn = draw_up(read_settings(config))
    if as_json:
        say_json(
            {**{name: [asdict(one) for one in getattr(drawn, name)] for name in PARTS}, "fields": {**drawn.fields}}
        )
        return
    for name, title in PARTS.items():
        say(f"## {title}\n\n{as_table(getattr(drawn, name))}")
    say("## Fields of the log\n\n| field | holds |\n|---|---|")
    for name, holds in drawn.fields.items():
        say(f"| `{name}` | {holds} |")


PARTS = {"flows": "Flows", "logs": "Logs", "stores": "Where data lie"}


def as_table(rows: Sequence[Any]) -> str:
    """Write rows as a table of Markdown."""
    names = [field.name for field in fields(rows[0])]
    lines = [[str(getattr(row, name)).replace("|", "\\|") for name in names] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in (names, ["---"] * len(names), *lines)) + "\n"

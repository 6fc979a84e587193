"""The verbs that print what the hub publishes of itself."""

from __future__ import annotations

import typer

from hub.cli_local import INSTALLATION, Config, read_settings
from hub.terminal import say_json

published = typer.Typer()


@published.command(rich_help_panel=INSTALLATION)
def openapi(config: Config = None) -> None:
    """Print the OpenAPI document of this installation's API, without starting anything.

    Example: hub openapi > openapi.json
    """
    from hub.catalogue import read_catalogue
    from hub.published import openapi as describe

    say_json(describe(read_catalogue(read_settings(config))), indent=2)


@published.command(rich_help_panel=INSTALLATION)
def asyncapi(config: Config = None) -> None:
    """Print the AsyncAPI document of the call-backs to front ends.

    Example: hub asyncapi > asyncapi.json
    """
    from hub.catalogue import read_catalogue
    from hub.published import asyncapi as describe

    say_json(describe(read_catalogue(read_settings(config))), indent=2)

"""The verb that gives editors the schemas of our files."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from hub.cli_local import INSTALLATION
from hub.terminal import Json, note, say_json, say_table

editors = typer.Typer()


@editors.command(rich_help_panel=INSTALLATION)
def schema(
    name: Annotated[str | None, typer.Argument(help="Which one; without a name, they are listed.")] = None,
    *,
    write: Annotated[
        bool, typer.Option("--write", help="Make them anew from the models, in the hub's folder.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Print the JSON Schema of a sort of file, or list where they lie, for editors to complete and underline.

    Example: hub schema mapping
    """
    from hub.editor import FILES, file_of

    if write:
        from hub.editor.generator import write_all

        for file in write_all():
            note(f"written: {file}")
    if name is None:
        rows = [{"schema": one, "files": files, "at": str(file_of(one))} for one, files in FILES.items()]
        if as_json:
            say_json(rows)
        else:
            say_table("schemas", rows, ("schema", "files", "at"))
    elif name in FILES:
        sys.stdout.write(file_of(name).read_text("utf-8"))
    else:
        raise typer.BadParameter(f"expected one of {', '.join(FILES)}")

"""The verbs that write files to begin with: connectors, mappings, kinds, targets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from hub.terminal import Json, note, own_name, say, say_json

new = typer.Typer(
    no_args_is_help=True,
    help="Write a connector, a mapping, a kind or a target to begin with; nothing is ever overwritten.\n\n"
    "Example: hub new connector guichet --from guichet.wsdl",
)

Into = Annotated[
    Path, typer.Option("--into", help="The home: the folder that holds, or will hold, connectors/, mappings/, routes/.")
]
Name = Annotated[str, typer.Argument(help="What it is called.")]
HERE = Path()


@new.command()
def connector(
    name: Name,
    contract: Annotated[
        Path | None,
        typer.Option("--from", help="What it is derived from: a WSDL, an XSD, OpenAPI (JSON or YAML), GraphQL (SDL)."),
    ] = None,
    into: Into = HERE,
    *,
    package: Annotated[
        bool, typer.Option("--package", help="As a package of its own, which the hub finds once it is installed.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Write a connector that passes the exam: manifest, wire, client, sandbox, errors, contract, mappings, test.

    Example: hub new connector guichet --from guichet.wsdl
    """
    from hub.scaffold.connector import check_name, connector_files, place_in_home, place_in_package
    from hub.scaffold.sheets import write_all

    check_name(name, homes_of(into))
    place = place_in_package(name) if package else place_in_home(name)
    itself = (into / "hub/scaffold").is_dir()
    ours = {"connectors", "hub"} if itself else {place.module.partition(".")[0] if package else place.module}
    drafts, files = connector_files(place, contract, frozenset(ours), packaged=package)
    written = write_all(into, files)
    if as_json:
        operations = {one.name: "safe" if one.is_safe else "once" for one in drafts.operations}
        left_out = [{"operation": one, "reason": why} for one, why in drafts.left_out]
        say_json({"files": list(map(str, written)), "operations": operations, "left_out": left_out})
        return
    tell_files(written)
    for one in drafts.operations:
        say(f"{one.name}  {'safe' if one.is_safe else 'once'}  {one.title}")
    for operation, why in drafts.left_out:
        note(f"left out: {operation}: {why}")
    tested = f"pip install -e {into / Path(place.folder).parts[0]}" if package else f"{own_name()} exam {name}"
    note(f"next: {tested}; {into / place.folder}/README.md says what remains to be known")


@new.command()
def kind(
    name: Name,
    title: Annotated[str, typer.Option(help="What citizens and agents call it.")] = "",
    field: Annotated[
        list[str] | None,
        typer.Option(help="A field of its form, name:sort, with ? at the end when it may be left out; any number."),
    ] = None,
    into: Into = HERE,
    *,
    as_json: Json = False,
) -> None:
    """Write a kind: schema, route, texts and three samples; a person decides on its requests until it has targets.

    Example: hub new kind voirie.arbre --field lieu --field vu_le:date --field danger:boolean?
    """
    from hub.errors import ConfigurationError
    from hub.scaffold.kind import kind_files
    from hub.scaffold.sheets import write_all

    files = kind_files(name, title, tuple(field or ()))
    catalogue = catalogue_of(into)
    if name in catalogue.folders:
        raise ConfigurationError(catalogue.folders[name], f"{name} is there already: choose another name")
    tell_written(write_all(into, files), as_json=as_json)


@new.command()
def mapping(
    operation: Annotated[str, typer.Argument(metavar="CONNECTOR.OPERATION", help="What it writes.")],
    kind: Annotated[str, typer.Option("--from", help="The kind that it reads.")],
    name: Annotated[str, typer.Option("--as", help="What it is called in its connector's folder; else its kind.")] = "",
    into: Into = HERE,
    *,
    as_json: Json = False,
) -> None:
    """Write a mapping: every element of the operation's contract with its type, fed where a source is proved to fit.

    Example: hub new mapping logitud.deposer_rapo --from rapo --as rapo_nouveau
    """
    from hub.scaffold.mapping import mapping_files
    from hub.scaffold.sheets import write_all

    tell_written(write_all(into, mapping_files(catalogue_of(into), operation, kind, name)), as_json=as_json)


@new.command()
def target(
    name: Name,
    connector: Annotated[str, typer.Option(help="The connector that speaks to it.")],
    into: Into = HERE,
    *,
    as_json: Json = False,
) -> None:
    """Print a target for hub.yaml, with every setting of its connector; what may be left out is behind a #.

    Example: hub new target logitud_annexe --connector logitud
    """
    from hub.errors import ConfigurationError
    from hub.packages import find_packages
    from hub.scaffold.target import target_block

    packages = find_packages(*homes_of(into))
    if connector not in packages:
        raise ConfigurationError(connector, f"no connector is called so; there are: {', '.join(packages)}")
    block = target_block(name, packages[connector])
    if as_json:
        say_json({"target": name, "connector": connector, "yaml": block})
    else:
        say(block.rstrip())


def homes_of(into: Path) -> tuple[Path, ...]:
    """Give every home that a file written there may lean on: the hub's, the installation's, and that folder."""
    from hub.cli_local import read_settings
    from hub.settings import HOME

    settings = next((file for file in (into / "hub.yaml", Path("hub.yaml")) if file.exists()), None)
    homes = (HOME, *read_settings(settings).homes, into)
    return tuple({home.resolve(): home for home in homes}.values())


def catalogue_of(into: Path) -> Any:
    """Read all that is there; raises ConfigurationError."""
    from hub.catalogue import Catalogue

    return Catalogue.read(*homes_of(into))


def tell_written(files: Sequence[Path], *, as_json: bool) -> None:
    """Say which files were written."""
    if as_json:
        say_json({"files": list(map(str, files))})
    else:
        tell_files(files)


def tell_files(files: Sequence[Path]) -> None:
    """Print the files that were written."""
    for file in files:
        say(f"wrote {file}")

"""The verbs that show what a route makes of a request: one that is only tried, or one of the ledger."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from hub.cli_local import INSTALLATION, Config, read_installation, read_settings
from hub.cli_talk import COULD_NOT
from hub.terminal import Json, note, say, say_facts, say_json, say_table

if TYPE_CHECKING:
    from hub.catalogue import Catalogue, Definition
    from hub.problems import Problem
    from hub.trials.legs import Leg
    from hub.trials.trial import Supposed

trials = typer.Typer()

OF_ELEMENT: Final = ("element", "value", "from", "choices")
OF_DIFFERENCE: Final = ("step", "item", "refused", "element", "cause", "pinned", "current")
OF_LEG: Final = (
    "taken", "stage", "reasons", "within", "by_default", "decided", "purpose", "consent", "asked", "for_each",
    "until", "every", "happened", "at", "when", "answers", "answered_by",
)  # fmt: skip
OF_OUTCOME: Final = ("verdict", "code", "reference", "http_status", "answer")


class Against(StrEnum):
    """Whom a trial may send to."""

    SANDBOX = "sandbox"


@trials.command(name="try", rich_help_panel=INSTALLATION)
def try_route(  # noqa: PLR0913  # its options are its parameters
    route: Annotated[str, typer.Argument(help="A kind, or its folder: routes/rapo.")],
    request: Annotated[typer.FileBinaryRead, typer.Option(help="A request in JSON; - reads standard input.")],
    config: Config = None,
    *,
    answers: Annotated[
        Path | None,
        typer.Option(exists=True, help="What steps are answered, by their names; else what mappings' examples say."),
    ] = None,
    against: Annotated[Against | None, typer.Option(help="Send it all, to sandboxes started for it.")] = None,
    as_json: Json = False,
) -> None:
    """Show every message that a request would lead to, and where each value comes from; nothing is sent.

    Example: hub try rapo --request routes/rapo/samples/redevance_payee.json
    """
    from hub.catalogue import read_catalogue
    from hub.problems import Problem
    from hub.trials.trial import admitted

    settings = read_installation(config)
    definition, catalogue = find_route(settings, route, read_catalogue)
    try:
        document = admitted(definition, request.read())
    except Problem as problem:
        note(refusal(problem))
        raise typer.Exit(COULD_NOT) from None
    supposed = read_answers(answers, definition)
    legs = asyncio.run(_walk(catalogue, settings, definition, document, supposed, sends=against is not None))
    steps = _all(legs)
    said = {"kind": definition.kind, "version": definition.version, "sent": against is not None, "steps": steps}
    if as_json:
        say_json(said)
    else:
        say(f"{definition.route.title}  ({definition.kind}, {definition.version})")
        say_steps(steps)
        note("sent to sandboxes" if against else "nothing was sent")
    raise typer.Exit(not went_well(legs))


@trials.command(rich_help_panel=INSTALLATION)
def explain(
    number: Annotated[str, typer.Argument(help="Nine digits, with or without spaces.")],
    config: Config = None,
    *,
    reveal: Annotated[
        bool, typer.Option("--reveal", help="Show what citizens said; the audit says who saw it.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show what a stored request led to under its own definition, and what the current one would change.

    Example: hub explain 167046020
    """
    from hub.catalogue import read_catalogue
    from hub.locker import vault_beside
    from hub.trials.explanation import explain as tell
    from hub.trials.mask import masked
    from hub.trials.stored import find, opened, reading
    from hub.trials.witness import say_revealed

    settings = read_settings(config)
    digits = "".join(number.split())
    with opened(settings.database) as engine:
        with reading(engine) as connection:
            stored = (
                find(connection, vault_beside(settings, connection), int(digits))
                if digits.isdecimal() and digits.isascii() and len(digits) == 9
                else None
            )
        if stored is None:
            raise typer.BadParameter("no request of this ledger has this number", param_hint="NUMBER")
        if reveal:
            say_revealed(settings, engine, [stored.number], "explain")
    current = read_catalogue(settings).kinds.get(stored.kind)
    told = asyncio.run(tell(stored, current, (lambda value: value) if reveal else masked))
    if as_json:
        say_json({**told, "revealed": reveal})
    else:
        say_explanation(told)


def find_route(settings: Any, route: str, read: Any) -> tuple[Definition, Catalogue]:
    """Find a kind by its name or its folder, whose home is read too if it is none of the installation's."""
    folder = Path(route)
    if (folder / "route.yaml").is_file():
        home = folder.resolve().parent.parent
        if home not in {place.resolve() for place in settings.places}:
            settings = settings.model_copy(update={"homes": (*settings.homes, home)})
        catalogue: Catalogue = read(settings)
        found = next((kind for kind, place in catalogue.folders.items() if place.resolve() == folder.resolve()), "")
    else:
        catalogue, found = read(settings), route
    if found not in catalogue.kinds:
        known = ", ".join(sorted(catalogue.kinds))
        raise typer.BadParameter(f"no kind is called {route}, and no folder of a route; there are: {known}")
    return catalogue.kinds[found], catalogue


def read_answers(file: Path | None, definition: Definition) -> dict[str, Supposed]:
    """Read what steps are answered, YAML or JSON, over what the mappings' examples say; raises BadParameter."""
    from hub.trials.trial import Answers, Supposed, supposed_answers
    from hub.yamlfile import read_yaml

    supposed = supposed_answers(definition)
    said = read_yaml(file, file.read_text("utf-8"), Answers).root if file else {}
    for step, answer in said.items():
        if step not in definition.route.named:
            raise typer.BadParameter(f"the route has no step {step!r}", param_hint="--answers")
        supposed[step] = Supposed(answer, str(file))
    return supposed


async def _walk(  # noqa: PLR0913  # a trial is of all this
    catalogue: Catalogue,
    settings: Any,
    definition: Definition,
    document: Mapping[str, Any],
    supposed: Mapping[str, Supposed],
    *,
    sends: bool,
) -> Sequence[Leg]:
    from hub.trials.courier import courier_of
    from hub.trials.trial import Known, walk

    if not sends:
        return await walk(definition, document, Known(supposed))
    async with courier_of(catalogue, settings, definition) as courier:
        return await walk(definition, document, Known(supposed), courier.send)


def went_well(legs: Sequence[Leg]) -> bool:
    """Say whether everything could be written, and was taken if it was sent."""
    from hub.model import Verdict
    from hub.trials.legs import FAILED, legs_in

    written = [message for _, leg in legs_in(legs) for message in leg.messages]
    taken = all(one.outcome is None or one.outcome.verdict is Verdict.ACCEPTED for one in written)
    return taken and not any(one.failing for one in written) and not any(leg.does == FAILED for _, leg in legs_in(legs))


def refusal(problem: Problem) -> str:
    """Say what the door says, as `hub submit` does."""
    from hub.client import RefusalError

    return str(RefusalError(problem.kind.status, json.loads(bytes(problem.response().body))))


def _all(legs: Sequence[Leg]) -> list[dict[str, Any]]:
    from hub.trials.legs import shown_leg

    return [shown_leg(leg, lambda value: value) for leg in legs]


def say_steps(steps: Sequence[Mapping[str, Any]], above: str = "") -> None:
    """Print steps for people, one after the other, what a refusal leads to below its decision."""
    for step in steps:
        say(f"\n{above}{step['does']}  {step['step']}")
        say_facts({name: _text(step.get(name)) for name in OF_LEG})
        for message in step["messages"]:
            say_message(message)
        if step.get("refused"):
            say(f"\n{step['step']}, if refused ({step['reason']}):")
            say_steps(step["refused"], "  ")


def say_message(message: Mapping[str, Any]) -> None:
    """Print a message: each element, its value, and the paths it was read from."""
    say(f"{message['key']} → {message['target']}, {message['operation']}, as {message['mapping']} writes it")
    if message["failing"]:
        say(f"cannot be written: {', '.join(message['failing'])}")
    rows = [
        {
            "element": one["element"],
            "value": "fails" if one["fails"] else _text(one["value"]) if one["written"] else "—",
            "from": "; ".join(f"{path} = {_text(value) or '—'}" for path, value in one["sources"].items()),
            "choices": "; ".join(one["choices"]),
        }
        for one in message["elements"]
    ]
    say_table(f"{len(rows)} elements", rows, OF_ELEMENT)
    if message["files"]:
        say(f"files: {', '.join(message['files'])}")
    if "outcome" in message:
        say_facts({name: _text(message["outcome"][name]) for name in OF_OUTCOME})


def say_explanation(told: Mapping[str, Any]) -> None:
    """Print a stored request: its own way, then what the current definition would change."""
    pinned, current = told["pinned"], told["current"]
    say(f"{told['number']}  ({told['kind']}, {pinned['version']})")
    say_steps(pinned["steps"])
    say()
    if current is None:
        say("this kind is no longer offered")
    elif not told["differences"]:
        say(f"the current definition ({current['version']}) writes the same")
    else:
        rows = [{name: _text(one.get(name)) for name in OF_DIFFERENCE} for one in told["differences"]]
        say_table(f"what the current definition ({current['version']}) changes", rows, OF_DIFFERENCE)


def _text(value: Any) -> str:
    """Write a value on one line; text as it is, nothing as nothing."""
    if value is None or value in ([], {}):
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

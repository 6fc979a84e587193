"""Whatever comes in, labels are from sets that are known beforehand: no id, no value, no text of a target's."""

import asyncio
import platform
from importlib.metadata import version

from hub.access import Principal, Role
from hub.app import open_hub
from hub.lifecycle import Event, State
from hub.model import Status
from hub.problems import Problem
from hub.routing import ACCEPTED, CANCELLED, FINALIZED, INTEGRATION_ERROR, RECEIVED, REFUSED
from hub.routing import UNDER_WAY as UNDER_WAY_STAGE
from hub.settings import Settings
from hub.tables import TROUBLED, BreakerState
from monitoring.definitions import DEFINITIONS, as_markdown
from monitoring.samples import PHASES
from monitoring.standing import UNDER_WAY, UNPROVED
from tests.deployment.conftest import ROOT
from tests.monitoring.conftest import home, scrape, settings_of, submission, until

MANY = 120
FAULTS = ("refused", "unavailable", "error_inside", "no_reference", "garbage", "cut_after", "login_page")


STAGES = {RECEIVED, UNDER_WAY_STAGE, INTEGRATION_ERROR, ACCEPTED, REFUSED, CANCELLED, FINALIZED}


def closed_sets(hub):
    """Say which values each label may have, from the files of the installation and from the code alone."""
    targets, kinds = set(hub.targets), set(hub.catalogue.kinds)
    operations = {name for one in hub.targets.values() for name in one.operations}
    told = {row.stage for table in hub.catalogue.errors.values() for row in table.error}
    mappings = {name for one in hub.catalogue.kinds.values() for name in one.mappings}
    return {
        "target": targets,
        "kind": kinds | {"send", "ask"},
        "operation": operations | mappings,
        "outcome": set(Event) | {"taken", "declined"},
        "status": set(Status),
        "state": set(State) | set(BreakerState) | set(TROUBLED) | set(UNPROVED) | set(UNDER_WAY) | {"busy", "most"},
        "stage": STAGES | {one.stage for one in hub.targets.values()} | told,
        "found": {"hint", "sweep"},
        "phase": set(PHASES),
        "left": {"none", "little"},
        "pool": {"looking", "serving"},
        "query": set(hub.catalogue.queries),
        "version": {version("city-hub")},
        "python": {platform.python_version()},
        "mode": {"alone", "api", "worker"},
    }


async def test_many_ids_values_and_errors_make_no_label_that_was_not_known(tmp_path, target):
    settings = Settings.model_validate(settings_of(home(tmp_path), target, sweep_every=0.1))
    async with open_hub(settings) as hub:
        faults = [fault for fault in FAULTS if fault in target.menu]
        for number in range(MANY):
            target.break_with(faults[number % len(faults)])
            front_end = Principal(prefix="0", front_end=f"portail-{number}", role=Role.FRONT_END)
            await hub.inbox.submit(front_end, f"key-{number}", submission(f"Canarinette-{number}"))
        unknown = {**submission(), "kind": "inventee-par-un-portail"}
        refused = await asyncio.gather(hub.inbox.submit(front_end, "autre", unknown), return_exceptions=True)
        assert isinstance(refused[0], Problem)
        samples = await until(lambda: scrape(hub), lambda seen: total(seen, "hub_attempts_total") >= MANY)
        known = closed_sets(hub)
        for name, *labels in samples:
            for label, value in labels:
                assert label == "le" or value in known[label], (name, label, value)
        assert len({dict(labels).get("outcome") for name, *labels in samples if name == "hub_attempts_total"}) > 2


def total(samples, name):
    return sum(value for (found, *_), value in samples.items() if found == name)


async def test_what_is_published_has_the_labels_of_its_definition(tmp_path, target):
    settings = Settings.model_validate(settings_of(home(tmp_path), target))
    async with open_hub(settings) as hub:
        by_name = {name: one for one in DEFINITIONS.values() for name in one.scraped}
        for name, *labels in await scrape(hub):
            if not name.endswith("_created"):
                assert [label for label, _ in labels if label != "le"] == sorted(by_name[name].labels)


def test_the_guide_has_the_table_of_the_definitions():
    assert as_markdown() in (ROOT / "docs/operators.md").read_text("utf-8")

"""Whatever a connector does wrong, the exam says so: by the check that asks it, and in words that help."""

from collections import Counter
from dataclasses import replace

import pytest

from connectors.rest import wire
from connectors.rest.client import Rest
from connectors.rest.sandbox import Sandbox
from hub.connector import Exchange, Fault, Receipt
from hub.errors import DeliveryError, RefusedError, UncertainError
from hub.exam.examination import mark
from hub.exam.papers import papers
from hub.manifest import Certainty
from hub.model import DeliveryKey, Verdict


def settings_of(said):
    return wire.Settings.model_validate(said)


class TakesAnySetting(Rest):
    def __init__(self, said, errors):
        super().__init__(settings_of({name: one for name, one in said.items() if name != "surprise"}), errors)


class Blundering(Rest):
    def __init__(self, said, errors):
        super().__init__(settings_of(said), errors)


class LeavesTraces(Blundering):
    async def probe(self, deadline):
        await super().probe(deadline)
        await self._http.call(
            "POST", "/signalements", exchange=Exchange(), deadline=deadline, content=b'{"remarque":""}'
        )


class SeesNothing(Blundering):
    async def probe(self, deadline):
        pass


class SendsNothing(Blundering):
    async def deliver(self, _message):
        return Receipt("BO-1")


class SaysMore(Blundering):
    async def deliver(self, message):
        return replace(await super().deliver(message), details={"citoyen": "Lefèvre"})


class SendsTwice(Blundering):
    count = 0

    async def deliver(self, message):
        self.count += 1
        message.key = DeliveryKey(f"{message.key}{self.count}")
        return await super().deliver(message)


class LosesSome(Blundering):
    count = 0

    async def deliver(self, message):
        self.count += 1
        return await super().deliver(message) if self.count % 10 else Receipt("BO-1")


class NeverFinds(Blundering):
    async def look_up(self, _message):
        return None


class FindsAnother(Blundering):
    async def look_up(self, message):
        found = await super().look_up(message)
        return found and replace(found, reference="BO-999999")


class Optimist(Blundering):
    async def deliver(self, message):
        try:
            return await super().deliver(message)
        except UncertainError:
            raise RefusedError("http_500") from None


class Worrier(Blundering):
    async def deliver(self, message):
        try:
            return await super().deliver(message)
        except DeliveryError:
            raise UncertainError("worried") from None


class Gossip(Blundering):
    async def deliver(self, message):
        try:
            return await super().deliver(message)
        except DeliveryError as error:
            error.args = (f"{message.fields}",)
            raise


class Crashes(Blundering):
    async def deliver(self, message):
        raise KeyError(message.fields["demandeur"]["nom"])


class FindsAnything(Blundering):
    async def find(self, message, reference):
        return await super().find(message, reference) or True


class FindsNothing(Blundering):
    async def find(self, _message, _reference):
        return False


class AsksSilently(Blundering):
    async def find(self, message, reference):
        return await super().find(replace(message, exchange=Exchange()), reference)


class AsksAnything(Blundering):
    async def find(self, message, reference):
        try:
            return await super().find(message, reference)
        except RefusedError:
            return False


class Denies(Blundering):
    async def find(self, message, reference):
        try:
            return await super().find(message, reference)
        except RefusedError:
            raise
        except DeliveryError:
            return False


class Repeats(Blundering):
    async def find(self, message, reference):
        try:
            return await super().find(message, reference)
        except UncertainError:
            raise UncertainError(reference) from None


class FindsByMaking(Blundering):
    async def find(self, message, reference):
        await super().deliver(replace(message, body=b'{"objet":"Essai"}', key=DeliveryKey(f"{reference}-1")))
        return await super().find(message, reference)


class FindsWhatItCannotDo(Blundering):
    def __init__(self, said, errors):
        super().__init__(said, errors)
        self.finds = frozenset({"retrouver"})


FOUND = "a reference of the target's own is found, one made up is not"
DOUBTED = "a target that fails is never said to lack a reference"

LOST = "means what the menu says: cut_after_commit"

BLUNDERS = [
    (TakesAnySetting, "it refuses settings that it does not know", "a setting that it does not know is not refused"),
    (LeavesTraces, "its probe finds the target up, and changes nothing", "the probe leaves something"),
    (SeesNothing, "its probe finds the target down", "a target that is down: None"),
    (SendsNothing, "each sample is taken once, and answered as declared", "does not keep what was sent"),
    (SaysMore, "each sample is taken once, and answered as declared", "deposer: details without an `answer` schema"),
    (SendsNothing, "a target that is down is transient", "deposer: Receipt("),
    (Worrier, "a target that is down is transient", "deposer: UncertainError("),
    (Gossip, "a target that is down is transient", "shows what the message held"),
    (NeverFinds, "a target that is down is never said to lack our key", "deposer: None"),
    (Optimist, "a target that never answers does not outlast the deadline", "deposer: RefusedError("),
    (NeverFinds, "what was taken is found again under its reference", "enregistrer: what was taken: None"),
    (FindsAnother, "what was taken is found again under its reference", "under another reference"),
    (SendsTwice, "a key that the target recognises is taken once", "deposer: taken again under another reference"),
    (LosesSome, "of 200 deliveries, many at once, none is lost, doubled or in doubt", "200 are said to be taken, 180"),
    (NeverFinds, LOST, "enregistrer: asked after a doubt: None, taken: True"),
    (SendsTwice, LOST, "deposer: then taken 2 times"),
    (Optimist, LOST, "deposer: RefusedError('http_500'), where the menu says uncertain"),
    (Gossip, LOST, "shows what the message held"),
    (Worrier, "means what the menu says: refused", "where the menu says refused"),
    (FindsAnything, FOUND, "enregistrer: what nobody made: True"),
    (FindsNothing, FOUND, "enregistrer: what was made: False"),
    (AsksSilently, FOUND, "enregistrer: the exchange does not keep it"),
    (AsksAnything, FOUND, "enregistrer: what is no reference: False"),
    (FindsByMaking, FOUND, "enregistrer: finding leaves something at the target"),
    (FindsWhatItCannotDo, FOUND, "finds: no such operation: retrouver"),
    (Denies, DOUBTED, "enregistrer: slow: False"),
    (Repeats, DOUBTED, "shows what the message held"),
    (Crashes, "each sample is taken once, and answered as declared", "it raises KeyError"),
]


async def asked(subject, title):
    [check] = [one for one in papers(subject) if one.title == title]
    return await mark(subject, check)


@pytest.mark.parametrize(("blunder", "title", "reason"), BLUNDERS)
async def test_each_blunder_is_found_by_the_check_that_asks_it(rest, blunder, title, reason):
    found = await asked(replace(rest, connect=blunder), title)
    assert found.passed is False
    assert reason in found.reason


async def test_no_reason_shows_what_a_message_held(rest):
    for blunder in (Gossip, Crashes, SaysMore):
        reasons = [(await asked(replace(rest, connect=blunder), title)).reason for _, title, _ in BLUNDERS[3:8]]
        assert not any("Lefèvre" in reason or "Certificat" in reason for reason in reasons)


class Harmless(Sandbox):
    menu = {"slow": Sandbox.menu["slow"], "refused": Sandbox.menu["refused"]}  # noqa: RUF012  # as a connector's own


class Lenient(Sandbox):
    menu = {  # noqa: RUF012  # as a connector's own
        **Sandbox.menu,
        "cut_before": Fault(title="cuts the line", verdict=Verdict.TRANSIENT),
    }


class Unquestioned(Sandbox):
    break_finding = None


class Forgetful(Sandbox):
    def taken(self):
        return Counter()


@pytest.mark.parametrize(
    ("sandbox", "title", "reason"),
    [
        (Harmless, "its menu holds what decides whether anything is lost or doubled", "deposer: no fault leaves a dou"),
        (Lenient, "means what the menu says: cut_before", "UncertainError('reset'), where the menu says transient"),
        (Unquestioned, DOUBTED, "its sandbox cannot break this question: break_finding"),
        (Forgetful, "each sample is taken once, and answered as declared", "deposer: taken 0 times"),
    ],
)
async def test_a_sandbox_that_proves_nothing_is_found(rest, sandbox, title, reason):
    found = await asked(replace(rest, new_sandbox=sandbox), title)
    assert (found.passed, reason in found.reason) == (False, True), found


@pytest.mark.parametrize(
    ("tier", "certainty", "reason"),
    [
        ("platinum", "public", "connector.toml: tier: one of bronze, silver, gold"),
        ("gold", "hypothetical", "its contract is hypothetical"),
        ("gold", "public", "can be neither repeated nor asked: signaler"),
    ],
)
async def test_a_tier_that_it_cannot_have_is_not_claimed(rest, tier, certainty, reason):
    manifest = rest.manifest.model_copy(update={"tier": tier, "certainty": Certainty(certainty)})
    found = await asked(replace(rest, manifest=manifest), "it claims no tier that it cannot have")
    assert (found.passed, found.reason) == (False, reason)


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ("README.md", "README.md: a title, first of all"),
        ("sandbox.py", "sandbox.py is missing"),
        ("contract/abonner.json", "abonner: there is no contract/abonner.json"),
    ],
)
async def test_a_folder_that_lacks_a_file_is_not_complete(elsewhere, file, reason):
    (elsewhere.folder / file).unlink()
    found = await asked(elsewhere, "its folder is complete")
    assert (found.passed, found.reason) == (False, reason)


async def test_a_sample_that_breaks_the_contract_is_found(elsewhere):
    file = elsewhere.folder / "contract/abonner.json"
    file.write_text(file.read_text("utf-8").replace("{5,12}", "{10,12}"))
    found = await asked(elsewhere, "each sample obeys the contract")
    assert found.passed is False
    assert found.reason.startswith("abonner: the sandbox's sample breaks contract/abonner.json: /plaque")
    assert "AB-123-CD" not in found.reason

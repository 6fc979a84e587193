"""What the pages of batches call things: verbs with what they ask for, states, classes of a plan, and outcomes."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from hub.accounts import Right
from hub.batch import Verb
from hub.batch_words import sentence_of
from hub.tables_operations import BatchState, Outlook, RowOutcome
from monitoring.console.texts import marked


class Word(NamedTuple):
    """A look and a word: of several rows, and of one."""

    look: str
    text: str
    one: str = ""


class Action(NamedTuple):
    """A verb as people choose it: its name, what it does, and the right it takes."""

    text: str
    what: str
    right: Right


ACTIONS: Final[Mapping[Verb, Action]] = MappingProxyType(
    {
        Verb.RETRY: Action(
            marked("Retry"), marked("Send again; what may have been taken is asked about first."), Right.RETRY
        ),
        Verb.RETRY_CURRENT: Action(
            marked("Retry with the current version"),
            marked("Let each request go by the current version of its kind, then send again."),
            Right.RETRY,
        ),
        Verb.VERIFY: Action(marked("Verify at the target"), marked("Ask the target; nothing is sent."), Right.RETRY),
        Verb.ASSIGN: Action(marked("Assign"), marked("Say who sees to each request."), Right.RETRY),
        Verb.DECIDE: Action(
            marked("Decide"), marked("Accept or refuse requests that await at one and the same step."), Right.DECIDE
        ),
        Verb.REJECT: Action(
            marked("Reject"), marked("End what was surely not taken, and refuse the request."), Right.FINALIZE
        ),
        Verb.CANCEL: Action(
            marked("Cancel"), marked("Withdraw requests of which no target has anything."), Right.FINALIZE
        ),
    }
)

STATES: Final[Mapping[BatchState, Word]] = MappingProxyType(
    {
        BatchState.PLANNED: Word("off", marked("planned, not started")),
        BatchState.TRYING: Word("going", marked("trying the first three rows")),
        BatchState.RUNNING: Word("going", marked("under way")),
        BatchState.PAUSED: Word("warn", marked("paused")),
        BatchState.STOPPED: Word("off", marked("stopped")),
        BatchState.DONE: Word("good", marked("ended")),
    }
)

OUTLOOKS: Final[Mapping[Outlook, Word]] = MappingProxyType(
    {
        Outlook.SURE: Word("good", marked("Sure"), marked("sure")),
        Outlook.VERIFY: Word("warn", marked("To be asked about first"), marked("to be asked about first")),
        Outlook.DIFFERS: Word("warn", marked("Written otherwise by the current version"), marked("written otherwise")),
        Outlook.IMPOSSIBLE: Word("bad", marked("Impossible"), marked("impossible")),
    }
)

OUTCOMES: Final[Mapping[RowOutcome, Word]] = MappingProxyType(
    {
        RowOutcome.OK: Word("good", marked("Arrived"), marked("arrived")),
        RowOutcome.FAILED: Word("bad", marked("Failed"), marked("failed")),
        RowOutcome.SKIPPED: Word("off", marked("Skipped"), marked("skipped")),
        RowOutcome.STARTED: Word("going", marked("Started"), marked("started")),
        RowOutcome.WAITING: Word("off", marked("Waiting"), marked("waiting")),
    }
)
"""The look and the word of each; together they are always all rows."""


def told(note: str, language: str) -> str:
    """Say a row's note: the hub's own sentences are French, its codes English."""
    return sentence_of(note) if language == "fr" else note.replace("_", " ")

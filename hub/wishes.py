"""What people may ask of the hub: one frozen value an act, and the errors by which it says no."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hub.errors import ConflictError
from hub.verbs import LOOK_FIRST, Why


class MissingError(ConflictError):
    """There is no such request or delivery."""


class NotNowError(ConflictError):
    """A delivery as it stands does not allow this: `why` says it in the words of a closed list."""

    def __init__(self, why: Why) -> None:
        self.why = why
        super().__init__(why.replace("_", " "))


class UnsureError(NotNowError):
    """The target may have taken it, and only a person can find out."""


def refusal(why: Why) -> NotNowError:
    """Make the error that stands for a reason."""
    return UnsureError(why) if why in LOOK_FIRST else NotNowError(why)


@dataclass(frozen=True, slots=True)
class Decide:
    """Accept or refuse a request that awaits a person, perhaps with corrected data; at `step`, where one is named."""

    number: int
    accepted: bool
    reason: str = ""
    data: Mapping[str, Any] | None = None
    actor: str = ""
    step: str = ""


@dataclass(frozen=True, slots=True)
class Cancel:
    """Cancel a request nothing of which has reached a target."""

    number: int
    reason: str = ""
    actor: str = ""


@dataclass(frozen=True, slots=True)
class Correct:
    """Replace a request's data, keeping what it was."""

    number: int
    data: Mapping[str, Any]
    actor: str = ""


@dataclass(frozen=True, slots=True)
class Assign:
    """Say who sees to a request; nobody, when `owner` is empty."""

    number: int
    owner: str
    actor: str = ""


@dataclass(frozen=True, slots=True)
class Note:
    """Say who sees to a cause of failures, and what is known of it; both empty forget what was said."""

    target: str
    code: str
    stage: str
    owner: str = ""
    note: str = ""
    actor: str = ""


@dataclass(frozen=True, slots=True)
class Retry:
    """Try a delivery again; `sure` says that a person knows that the target did not take it.

    `current`: its request goes by the current version of its kind from now on.
    """

    delivery: int
    sure: bool = False
    data: Mapping[str, Any] | None = None
    actor: str = ""
    current: bool = False


@dataclass(frozen=True, slots=True)
class Verify:
    """Ask the target whether it has a delivery; whatever it says, nothing is sent."""

    delivery: int
    actor: str = ""


@dataclass(frozen=True, slots=True)
class Reject:
    """End a delivery that was surely not taken, and refuse its request."""

    delivery: int
    reason: str
    actor: str = ""


@dataclass(frozen=True, slots=True)
class Reroute:
    """Send a delivery that was surely not taken to another target of the same connector."""

    delivery: int
    target: str
    actor: str = ""


@dataclass(frozen=True, slots=True)
class Finalize:
    """Close a delivery by hand, under the reference the back office gave it; or propose it, where two must agree."""

    delivery: int
    reason: str
    reference: str
    comment: str = ""
    actor: str = ""


@dataclass(frozen=True, slots=True)
class Second:
    """Agree to what another person proposed to close."""

    delivery: int
    actor: str = ""


@dataclass(frozen=True, slots=True)
class Reopen:
    """Take up again what was closed by hand and is not confirmed, or withdraw what was proposed."""

    delivery: int
    reason: str
    actor: str = ""


OfDelivery = Retry | Verify | Reject | Reroute | Finalize | Second | Reopen
OfRequest = Decide | Cancel | Correct | Assign
Act = OfRequest | OfDelivery | Note

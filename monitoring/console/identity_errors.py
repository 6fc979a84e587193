"""Why somebody does not come in by the identity provider: a code for the log, and what the page says of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from monitoring.console.texts import marked


class SignInError(Exception):
    """This sign-in lets nobody in; the code says why, and holds nothing that anybody sent."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


STALE: Final = 400, marked("This sign-in is no longer valid: begin again.")
AWAY: Final = 503, marked("The identity provider does not answer: try again in a moment.")
DENIED: Final = 403, marked("The identity provider did not let you in.")
WEAK: Final = 403, marked("You must prove more surely who you are, for instance by a code on your telephone.")
ELSEWHERE: Final = 403, marked("The identity provider does not know you as somebody of this city's services.")
CLOSED: Final = 403, marked("Your account is closed: ask the administrator of the hub.")
UNTRUSTED: Final = 403, marked("The identity provider's answer could not be trusted: nobody was let in.")

MEANINGS: Final[Mapping[str, tuple[int, str]]] = {
    "ticket_missing": STALE,
    "ticket_expired": STALE,
    "state_missing": STALE,
    "state_wrong": STALE,
    "state_reused": STALE,
    "code_missing": STALE,
    "code_refused": STALE,
    "unreachable": AWAY,
    "denied": DENIED,
    "id_token_amr": WEAK,
    "id_token_acr": WEAK,
    "claim_elsewhere": ELSEWHERE,
    "account_disabled": CLOSED,
}
"""Code → the status and the sentence of the page; any other code means an answer that cannot be trusted."""


def meaning_of(code: str) -> tuple[int, str]:
    """Say what a page answers to a code."""
    return MEANINGS.get(code, UNTRUSTED)

"""What a browser carries while its person is at the identity provider: signed, good for five minutes, used once."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from datetime import timedelta
from typing import Annotated, Final

from pydantic import Field, ValidationError

from hub.model import Frozen, Instant
from hub.policy import later

LASTS: Final = timedelta(minutes=5)
DRAWN: Final = 32
"""Random bytes of a state, a nonce or a verifier: 43 characters, where ProConnect asks for 32."""

LABEL: Final = b"hub sign-in ticket"
"""What sets the key of these signatures apart from what else the installation's secret signs."""

Drawn = Annotated[str, Field(min_length=32, max_length=128)]


class Ticket(Frozen):
    """One sign-in under way: what must come back, and where its person wanted to go."""

    state: Drawn
    nonce: Drawn
    verifier: Drawn
    after: str
    until: int

    @property
    def digest(self) -> str:
        """The hash by which the ledger knows that its state came back."""
        return hashlib.sha256(self.state.encode()).hexdigest()


def draw(after: str, now: Instant) -> Ticket:
    """Draw a ticket."""
    state, nonce, verifier = (secrets.token_urlsafe(DRAWN) for _ in range(3))
    return Ticket(state=state, nonce=nonce, verifier=verifier, after=after, until=later(now, LASTS))


def seal(secret: bytes, text: str) -> str:
    """Write a text so that nobody can change it: itself and its signature, in characters that a cookie may have."""
    said = base64.urlsafe_b64encode(text.encode()).decode()
    return f"{said}.{_signature(secret, said)}"


def unseal(secret: bytes, sealed: str) -> str | None:
    """Give the text, or None when it is not as it was written."""
    said, _, signature = sealed.partition(".")
    if not hmac.compare_digest(signature.encode(), _signature(secret, said).encode()):
        return None
    return base64.urlsafe_b64decode(said).decode()


def read(secret: bytes, sealed: str) -> Ticket | None:
    """Give the ticket that a browser shows, however old; None for what is none."""
    text = unseal(secret, sealed)
    try:
        return None if text is None else Ticket.model_validate_json(text)
    except ValidationError:
        return None


def _signature(secret: bytes, said: str) -> str:
    key = hmac.digest(secret, LABEL, "sha256")
    return hmac.new(key, said.encode(), "sha256").hexdigest()

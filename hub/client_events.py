"""Call-backs, for the front end that hears them: proved to be the hub's, then read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import AwareDatetime, Field, ValidationError
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from hub.client_models import Said
from hub.model import Status


class ForgedError(Exception):
    """A call that is not the hub's, was changed on its way, or is old: answer 401, and do nothing."""


class StageReached(Said):
    """A request has reached a stage.

    `id` is the same when a call-back comes again: do nothing the second time. Of one `numero`, drop what has a lower
    `sequence` than the highest seen. `message` is for the citizen, `stage` for agents; `reference` is your own.
    """

    id: str
    numero: str
    kind: str
    stage: str = Field(validation_alias="etape")
    status: Status = Field(validation_alias="statut")
    final: bool
    sequence: int
    at: AwareDatetime = Field(validation_alias="date")
    message: str
    reference: str | None = None

    @property
    def number(self) -> str:
        """The number as addresses write it."""
        return "".join(self.numero.split())


def read_event(secrets: str | tuple[str, ...], headers: Mapping[str, str], body: bytes) -> StageReached:
    """Read a call-back from its headers and its bytes as they came; raises ForgedError.

    `secrets`: `whsec_…`; several while one is being replaced.
    """
    named = {name.lower(): value for name, value in headers.items()}
    said = _proved((secrets,) if isinstance(secrets, str) else secrets, named, body)
    try:
        return StageReached.model_validate({**said, "id": named["webhook-id"]})
    except (ValidationError, TypeError):
        raise ForgedError("it is signed, and is no call-back of a stage") from None


def _proved(secrets: tuple[str, ...], headers: dict[str, str], body: bytes) -> Any:
    for secret in secrets:
        try:
            return Webhook(secret).verify(body, headers)
        except (WebhookVerificationError, ValueError):
            continue
    raise ForgedError("no secret proves it, or it is more than five minutes away")

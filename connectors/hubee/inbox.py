"""What HubEE has for the city: cases and events are notified until their notification is deleted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from connectors.hubee.demande import read_demande
from connectors.hubee.session import Gateway
from connectors.hubee.settings import Settings
from connectors.hubee.wire import (
    EVENT,
    MOVED_FROM,
    NEW,
    ON_RECEIPT,
    UNSCANNED,
    UNUSABLE,
    SiState,
    is_business,
    is_whole,
    read_case,
    read_event,
    read_notifications,
    sort_of,
    write_move,
    write_reply,
)
from hub.connector import Deadline, Incoming, IncomingFile
from hub.errors import DeliveryError, UncertainError

NO_FILE: Final = "Une pièce est corrompue ou ne correspond pas à sa description."
"""What HubEE is told of a case whose file it will never give."""


class Inbox:
    """Reads what is notified, and says what became of it."""

    def __init__(self, gateway: Gateway, settings: Settings) -> None:
        self._gateway = gateway
        self._author, self._batch = settings.author, settings.batch

    async def waiting(self, procedure: str, deadline: Deadline, most: int | None = None) -> list[dict[str, Any]]:
        """List what waits for one procedure, which takes nothing away."""
        path = f"notifications?eventDetails=true&maxResult={most or self._batch}&processCode={procedure}"
        return read_notifications(await self._gateway.ask(procedure, "GET", path, deadline))

    async def fetch(self, deadline: Deadline) -> list[Incoming]:
        """Give what waits, at most one batch a procedure; what cannot be had yet waits on.

        A failure shows when nothing else came: one broken case or account does not hold up the others.
        """
        found: list[Incoming] = []
        failures: list[DeliveryError] = []
        for procedure in self._gateway.procedures:
            try:
                notifications = await self.waiting(procedure, deadline)
            except DeliveryError as error:
                failures.append(error)
                continue
            for notification in notifications:
                try:
                    incoming = await self._open(notification, deadline)
                except DeliveryError as error:
                    failures.append(error)
                    continue
                found += [incoming] if incoming else []
        if failures and not found:
            raise failures[0]
        return found

    async def acknowledge(self, incoming: Incoming, deadline: Deadline) -> None:
        """Say that it is received, then let go of its notification; all of it may be said twice."""
        notification = incoming.fields["notification"]
        if incoming.sort == EVENT:
            await self._mark(notification, incoming.fields["event"], deadline)
        else:
            state = ON_RECEIPT.get(notification["processCode"], "SI_RECEIVED")
            await self._move(notification, state, "", deadline)
        await self._forget(notification, deadline)

    async def decline(self, notification: Mapping[str, Any], reason: str, deadline: Deadline) -> None:
        """Put the case in SI_INTG_ERROR, or answer the event, with the reason; then let go of its notification."""
        if notification.get("eventId"):
            await self._add_event(notification, write_reply(self._author, reason), deadline)
        else:
            await self._move(notification, "SI_INTG_ERROR", reason, deadline)
        await self._forget(notification, deadline)

    async def _open(self, notification: Mapping[str, Any], deadline: Deadline) -> Incoming | None:
        """Read what a notification is about; None when its files are not all scanned, or never will be given."""
        procedure, event_id = notification["processCode"], notification.get("eventId")
        path = case_of(notification)
        case = read_case(await self._gateway.ask(procedure, "GET", path, deadline))
        fields: dict[str, Any] = {"notification": dict(notification), "case": case}
        subject = case
        if event_id:
            path = f"{path}/events/{event_id}"
            subject = fields["event"] = read_event(await self._gateway.ask(procedure, "GET", path, deadline))
        states = {attachment.get("status") for attachment in subject["attachments"]}
        if states & UNUSABLE:
            await self.decline(notification, NO_FILE, deadline)
        if states & {UNSCANNED, *UNUSABLE}:
            return None
        files = [await self._download(procedure, path, one, deadline) for one in subject["attachments"]]
        if event_id:
            return Incoming(event_id, EVENT, fields, tuple(files))
        return incoming_case(procedure, fields, files)

    async def _download(
        self, procedure: str, path: str, attachment: Mapping[str, Any], deadline: Deadline
    ) -> IncomingFile:
        """Download one file; raises UncertainError when it is not what was announced."""
        answer = await self._gateway.ask(procedure, "GET", f"{path}/attachments/{attachment['id']}", deadline)
        if not is_whole(answer, attachment):
            raise UncertainError("altered")
        return IncomingFile(attachment["fileName"], attachment["mimeType"], answer.body)

    async def _move(self, notification: Mapping[str, Any], state: SiState, words: str, deadline: Deadline) -> None:
        """Move a case; it is read first, so that it is not moved twice."""
        procedure, path = notification["processCode"], case_of(notification)
        case = read_case(await self._gateway.ask(procedure, "GET", f"{path}?lite=true", deadline))
        if case["status"] in MOVED_FROM.get(state, NEW):
            await self._add_event(notification, write_move(state, self._author, words), deadline)

    async def _mark(self, notification: Mapping[str, Any], event: Mapping[str, Any], deadline: Deadline) -> None:
        """Mark an event as received."""
        if event.get("status") != "RECEIVED":
            path = f"{case_of(notification)}/events/{event['id']}"
            await self._gateway.ask(
                notification["processCode"], "PATCH", path, deadline, content={"status": "RECEIVED"}
            )

    async def _add_event(self, notification: Mapping[str, Any], event: Mapping[str, Any], deadline: Deadline) -> None:
        path = f"{case_of(notification)}/events"
        await self._gateway.ask(notification["processCode"], "POST", path, deadline, content=event)

    async def _forget(self, notification: Mapping[str, Any], deadline: Deadline) -> None:
        path = f"notifications/{notification['id']}"
        await self._gateway.ask(notification["processCode"], "DELETE", path, deadline)


def case_of(notification: Mapping[str, Any]) -> str:
    """Say where the case of a notification is."""
    return f"cases/{notification['caseId']}"


def incoming_case(procedure: str, fields: Mapping[str, Any], files: Sequence[IncomingFile]) -> Incoming:
    """Put a case together: the business XML that could be read becomes `demande`, everything else stays a file."""
    demande: dict[str, Any] = {}
    papers = []
    for file in files:
        read = read_demande(file.content) if is_business(file) else None
        demande |= read or {}
        papers += [] if read else [file]
    return Incoming(fields["case"]["id"], sort_of(procedure), {**fields, "demande": demande}, tuple(papers))

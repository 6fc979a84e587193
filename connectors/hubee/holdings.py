"""What HubEE's stand-in holds: cases with their files and events, and what notifies them. No HTTP."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from connectors.hubee.wire import digest_of

CITY: Final = {"type": "SI", "companyRegister": "21990001000019", "branchCode": "99001"}
OPERATOR: Final = {"type": "OSL", "companyRegister": "13000918600011", "branchCode": "DILA"}
APPLICANT: Final = {"firstName": "Maëlle", "lastName": "Kerbrat", "email": "maelle.kerbrat@example.org"}

Files = Mapping[str, tuple[str, str, bytes]]
"""Files by name: their type in the procedure's words, their media type, their content."""

NO_FILES: Final[Files] = MappingProxyType({})

EXAMPLES: Final = Path(__file__).parent / "contract" / "exemples"
PDF: Final = ("application/pdf", b"%PDF-1.7\n% inventee\n%%EOF\n")
PAPERS: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "EtatCivil": {"demande.xml": "ActeEtatCivil-XML", "demande.pdf": "ActeEtatCivil-PDF"},
        "recensementCitoyen": {
            "10870-XML.xml": "10870-XML",
            "10870-PDF.pdf": "10870-PDF",
            "livret-famille.pdf": "jf",
            "piece-identite.pdf": "ji",
        },
        "CERTDC": {"volet_VA.xml": "VA_CertificatdeDeces", "volet_VA.pdf": "VA_CertificatdeDeces"},
    }
)
"""The files of a case of each procedure, and their types, as in HubEE's own examples; the people are invented."""


class Holdings:
    """Everything that is at HubEE for the city: cases by identifier; contents and digests by a file's."""

    def __init__(self) -> None:
        super().__init__()
        self.cases: dict[str, dict[str, Any]] = {}
        self.notifications: list[dict[str, Any]] = []
        self.contents: dict[str, bytes] = {}
        self.digests: dict[str, str] = {}

    def put_case(
        self,
        process_code: str,
        files: Files = NO_FILES,
        *,
        case_id: str = "",
        status: str = "RECEIVED",
        notified: bool = True,
    ) -> str:
        """Add a case, as an operator does, and notify it; gives its identifier.

        `status` is that of each file: PENDING until it is scanned.
        """
        case_id = case_id or str(uuid.uuid4())
        self.cases[case_id] = {
            "id": case_id,
            "status": "HUBEE_NOTIFIED",
            "recipient": CITY,
            "externalId": f"DILA-{process_code[:3].upper()}-{len(self.cases):07d}-01",
            "processCode": process_code,
            "createDateTime": now(),
            "updateDateTime": None,
            "closeDateTime": None,
            "applicant": APPLICANT,
            "attachments": self._keep(files, status),
            "events": [],
        }
        if notified:
            self._notify(case_id)
        return case_id

    def put_example(self, process_code: str, *, status: str = "RECEIVED") -> str:
        """Add a whole case of a procedure, about invented people; gives its identifier."""
        document = ("application/xml", (EXAMPLES / f"{process_code}.xml").read_bytes())
        papers = PAPERS[process_code].items()
        files = {name: (sort, *(document if name.endswith(".xml") else PDF)) for name, sort in papers}
        return self.put_case(process_code, files, status=status)

    def put_event(
        self,
        case_id: str,
        action: str,
        message: str = "",
        files: Files = NO_FILES,
    ) -> str:
        """Add an operator's event to a case, and notify it; gives its identifier."""
        event = event_of({"actionType": action, "message": message, "author": "DILA"}, OPERATOR)
        event["attachments"] = self._keep(files, "RECEIVED")
        self.cases[case_id]["events"].append(event)
        self._notify(case_id, event)
        return str(event["id"])

    def scan(self, case_id: str, status: str = "RECEIVED") -> None:
        """Finish the antivirus's work on every file of a case: RECEIVED, CORRUPTED or REJECTED."""
        for attachment in self.cases[case_id]["attachments"]:
            attachment["status"] = status

    def _keep(self, files: Files, status: str) -> list[dict[str, Any]]:
        kept = []
        for name, (sort, media_type, content) in files.items():
            identifier = str(uuid.uuid4())
            self.contents[identifier], self.digests[identifier] = content, digest_of(content)
            described = {"fileName": name, "type": sort, "size": len(content), "mimeType": media_type}
            kept.append({"id": identifier, "status": status, **described})
        return kept

    def _notify(self, case_id: str, event: Mapping[str, Any] | None = None) -> None:
        case = self.cases[case_id]
        self.notifications.append(
            {
                "id": str(uuid.uuid4()),
                "recipient": CITY,
                "transmitter": OPERATOR,
                "processCode": case["processCode"],
                "caseId": case_id,
                "eventId": event["id"] if event else None,
                "eventStatus": event["status"] if event else None,
                "dateTime": now(),
            }
        )


def event_of(said: Mapping[str, Any], transmitter: Mapping[str, str]) -> dict[str, Any]:
    """Make an event of what one says; a deposit of the city's is begun, and seen by nobody yet."""
    announced = [{**file, "id": str(uuid.uuid4()), "status": "PENDING"} for file in said.get("attachments", ())]
    begun = said["actionType"] == "ATTACH_DEPOSIT" and transmitter is CITY
    moment = {"createDateTime": now(), "updateDateTime": now()}
    status = "IN_PROGRESS" if begun else "SENT"
    event = {"notification": True, **said, "id": str(uuid.uuid4()), "transmitter": transmitter, **moment}
    return {**event, "status": status, "attachments": announced}


def now() -> str:
    """Say the moment as HubEE does."""
    return datetime.now(UTC).isoformat()

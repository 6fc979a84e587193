"""What the stand-in of a town hall checks of a request before it takes it. No I/O."""

from __future__ import annotations

import calendar
import hashlib
from base64 import b64decode
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Final

from lxml import etree

from connectors._transport.xml import Element


def what_is_wrong(body: Element) -> str | None:
    """Find the first rule that a request breaks."""
    content = body[1]
    rules = (*ANY, *RULES.get(etree.QName(content).localname, ()))
    return next((code for code, is_broken in rules if is_broken(content)), None)


def is_incomplete_nationality(content: Element) -> bool:
    """Tell a citizen of the Union without a country, or without the ballots asked for."""
    told = text(content, "PaysNationalite") and text(content, "TypeElection")
    return text(content, "Nationalite") == "RessortissantUE" and not told


def is_previous_place_missing(content: Element) -> bool:
    """Tell a change of town that does not say from which."""
    return text(content, "Situation") == "ChangementCommune" and content.find("{*}PrecedentLieuInscription") is None


def is_late(content: Element) -> bool:
    """Tell an appeal made more than a month after its notice; a notice that came by post had five days to come."""
    notice = date.fromisoformat(content.findtext("{*}Avis/{*}Date", ""))
    posted = content.findtext("{*}Avis/{*}Remise") == "POSTE"
    last = a_month_after(notice) + timedelta(days=5 if posted else 0)
    return date.fromisoformat(text(content, "DateRecours")) > last


def a_month_after(day: date) -> date:
    """Give the same day of the next month, or its last."""
    year, month = (day.year + 1, 1) if day.month == 12 else (day.year, day.month + 1)
    return date(year, month, min(day.day, calendar.monthrange(year, month)[1]))


def is_proof_missing(content: Element) -> bool:
    """Tell an appeal without its notice, without the vehicle's papers, or made for another without a mandate."""
    given = {nature.text for nature in content.iterfind("{*}Piece/{*}Nature")}
    represented = content.findtext("{*}Requerant/{*}Qualite") == "MANDATAIRE"
    papers = given & {"CERTIFICAT-IMMATRICULATION", "CESSION"}
    return "AVIS-PAIEMENT" not in given or not papers or (represented and "MANDAT" not in given)


def is_file_missing(content: Element) -> bool:
    """Tell a paper whose named file did not come with the message."""
    sent = {text(file, "Nom") for file in files_of(content)}
    return any(name.text not in sent for name in content.iterfind("{*}Piece/{*}Fichier"))


def is_any_altered(content: Element) -> bool:
    """Tell a message one of whose files is not what it announces."""
    return any(is_altered(file) for file in files_of(content))


def files_of(content: Element) -> list[Element]:
    """Find the files that came beside a request, in its message."""
    return list(content.itersiblings("{*}PieceJointe"))


def is_altered(piece: Element) -> bool:
    """Tell whether a file differs from its announced size or digest."""
    content = b64decode(text(piece, "Contenu"))
    announced = (int(text(piece, "Taille")), text(piece, "Empreinte"))
    return (len(content), hashlib.sha256(content).hexdigest()) != announced


Rule = tuple[str, Callable[[Element], bool]]

RULES: Final[Mapping[str, tuple[Rule, ...]]] = {
    "Preinscription": (
        ("NATIONALITE-INCOMPLETE", is_incomplete_nationality),
        ("PRECEDENT-LIEU-MANQUANT", is_previous_place_missing),
    ),
    "Recours": (("DELAI-DEPASSE", is_late), ("PIECE-MANQUANTE", is_proof_missing)),
}
ANY: Final[tuple[Rule, ...]] = (("PIECE-ALTEREE", is_any_altered), ("PIECE-MANQUANTE", is_file_missing))


def text(parent: Element, name: str) -> str:
    """Read the text of a child."""
    return parent.findtext(f"{{*}}{name}", "")

"""The pages of the sandbox: what GRR's show that a connector reads, in French and in English. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from html import escape
from typing import Final

WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "fr": {
        "conflit": "Conflit entre réservations",
        "conflict": "La nouvelle réservation entre en conflit avec :",
        "required": "Les champs suivis d'un * sont obligatoires.",
        "booking_in_past": "Réservation antérieure à la date actuelle",
        "error_heure_debut_fin": "Attention, réservation impossible : l'heure de début ou l'heure de fin de "
        "réservation est en dehors des créneaux autorisés.",
        "booking_room_out": "Réservation impossible",
        "choose_a_room": "Vous devez choisir au moins une ressource.",
        "failed_to_acquire": "Erreur, impossible d'obtenir l'accès exclusif à la base de données",
        "accessdenied": "Accès refusé",
        "norights": "Vous n'avez pas les droits suffisants pour effectuer cette opération.",
        "nothing_found": "Aucune réservation n'a été trouvée.",
        "entry_found": "réservation trouvée",
        "failed": "Echec de connexion à GRR.",
    },
    "en": {
        "conflit": "Reservation conflict",
        "conflict": "The new reservation will conflict with:",
        "required": "Fields followed by * are required.",
        "booking_in_past": "Reservation before today's date",
        "error_heure_debut_fin": "Caution! Impossible to reserve: beginning or ending time is out of the "
        "authorized range.",
        "booking_room_out": "Booking not possible",
        "choose_a_room": "You must choose at least one resource.",
        "failed_to_acquire": "Failed to acquire exclusive database access",
        "accessdenied": "Access denied",
        "norights": "You do not have access rights to modify this item.",
        "nothing_found": "No matching entries found.",
        "entry_found": "reservation found",
        "failed": "GRR connection failed.",
    },
}
"""What pages say in each language, by GRR's own names of its texts."""

DELETED: Final = "réservation inexistante ou supprimée"
NEVER_SAVED: Final = "pas de réservation sauvegardée"
"""What GRR says in French to everyone."""


def layout(content: str, *, known: bool) -> str:
    """Put what a page says under the banner of GRR, which offers to log in or to log out."""
    account = (
        "<a href='./compte/compte.php'>hub - Gérer mon compte</a> <a href='./app.php?p=deconnexion'>Quitter</a>"
        if known
        else "<a href='app.php?p=login'>Se connecter</a>"
    )
    return (
        "<!DOCTYPE html><html lang='fr'><head><meta charset='utf-8'><title>GRR - Mairie</title></head><body>"
        f"<header><div class='accueil'><h2><a href='app.php'>Mairie</a></h2></div>{account}</header>"
        f"<section>{content}</section></body></html>"
    )


def door(said: str = "") -> str:
    """Write the form that opens a session."""
    return (
        "<!DOCTYPE html><html lang='fr'><head><meta charset='utf-8'><title>GRR</title></head><body>"
        f"<h3>Gestion des réservations</h3><p><span class='avertissement'>{said}</span></p>"
        "<form action='app.php' method='post'><input type='text' name='login'>"
        "<input type='password' name='password'><input type='submit' name='submit' value='OK'></form></body></html>"
    )


def refusal(code: str, language: str, *, bracketed: bool, known: bool = True) -> str:
    """Write a refusal: a conflict has a title only, any other its code in brackets as well."""
    words = WORDS[language]
    if code == "conflit":
        title = (
            f"<h2>{words[code]}</h2>{words['conflict']}<ul><li><a href='app.php?p=vuereservation&id=1'>x</a></li></ul>"
        )
        again = "<input type='hidden' name='p' value='editentree'>"
        return layout(f"<h2></h2>{title}<form action='app.php' method='GET'>{again}</form>", known=known)
    small = f"<small>({code})</small>" if bracketed else ""
    form = (
        "<form method='post' action='app.php?p=editentree'><input type='hidden' name='p' value='editentree' >"
        f"<h2>{escape(words.get(code, ''))}</h2>{small}<p></p></form>"
    )
    return layout(f"<h2></h2>{form}", known=known)


def denied(language: str) -> str:
    """Write « Accès refusé »."""
    words = WORDS[language]
    return layout(f"<h1>{words['accessdenied']}</h1><p>{words['norights']}</p>", known=True)


def booking(number: str, name: str, description: str) -> str:
    """Write the page of a booking, and the form that GRR puts below it for whoever is logged in."""
    told = f"<table><tr><th>Description :</th><td>{escape(description)}</td></tr></table>"
    hidden = "".join(
        f"<input type='hidden' name='{field}' value='{value}'>"
        for field, value in {"p": "vuereservation", "id": number, "page": "jour"}.items()
    )
    shown = f"<fieldset><legend>Réservation : {escape(name)}</legend>{told}</fieldset>"
    return layout(f"{shown}<form action='app.php' method='get'>{hidden}</form>", known=True)


def report(rows: Iterable[Mapping[str, str]] | None, searched: str, language: str) -> str:
    """Write the report: its form, which repeats what is searched, and what was found when it was asked."""
    form = (
        "<h1 class='center'>Recherche, rapports et stats</h1><form id='frmReport' method='get' action='?p=report'>"
        f"<p>Inclure :</p><input name='texte[]' value='{escape(searched, quote=True)}'></form>"
    )
    if rows is None:
        return layout(form, known=True)
    words, listed = WORDS[language], list(rows)
    if not listed:
        return layout(f"{form}<hr><p><b>{words['nothing_found']}</b></p>", known=True)
    lines = "".join(
        f"<tr class='odd'><td>Salles</td><td>{row['room']}</td>"
        f"<td><a href='app.php?p=vuereservation&id={row['id']}&mode=page'>{escape(row['name'])}</a></td>"
        f"<td>{row['when']}</td><td>1</td><td>{escape(row['description']).replace(chr(10), '<br />')}</td>"
        f"<td>A</td><td>{escape(row['who'])}</td><td></td><td></td></tr>"
        for row in listed
    )
    table = f"<table id='example'><thead><tr><th>Domaine</th></tr></thead><tbody>{lines}</tbody></table>"
    return layout(f"{form}<hr><p><b>{len(listed)} {words['entry_found']}</b></p>{table}", known=True)


def day(room: int, rows: Iterable[tuple[datetime, timedelta, int, int]], *, linked: bool) -> str:
    """Write a planning, one row a slot.

    Of each: when it begins, how long it is, the booking that begins there (0: it is free, -1: one goes on), over
    how many rows. `linked`: whether bookings bear links.
    """
    lines = "".join(slot(room, *row, linked=linked) for row in rows)
    head = f"<thead><tr><td class='cell_hours'>Heure</td><th>Ressource {room}</th></tr></thead>"
    table = f"<table class='jour floatthead table-striped table-bordered'>{head}<tbody>{lines}</tbody></table>"
    return layout(f"<div id='planning2'>{table}</div>", known=True)


def slot(room: int, begin: datetime, length: timedelta, number: int, rows: int, *, linked: bool) -> str:  # noqa: PLR0913
    """Write one row of a planning."""
    hours = f"<td class='cell_hours'>{begin:%H:%M} - {begin + length:%H:%M}</td>"
    if number < 0:
        return f"<tr>{hours}</tr>"
    at = f"year={begin.year}&amp;month={begin:%m}&amp;day={begin:%d}"
    if number and not linked:
        cell = "Réservé"
    elif number:
        cell = f"<a class='lienCellule' href='app.php?p=vuereservation&id={number}&amp;{at}&amp;page=jour'>Réservé</a>"
    else:
        cell = (
            f"<a href='app.php?p=editentree&room={room}&amp;{at}&amp;page=jour&amp;room_back={room}"
            f"&amp;hour={begin:%H}&amp;minute={begin:%M}'><i class='fa-solid fa-plus'></i></a>"
        )
    return f"<tr>{hours}<td rowspan='{rows}' class='{'typeA' if number else 'empty_cell'}'>{cell}</td></tr>"

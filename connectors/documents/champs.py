"""What each template takes, and how a value is printed. No I/O."""

from __future__ import annotations

import re
import unicodedata
from datetime import date
from functools import singledispatch
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field, TypeAdapter

from hub.model import Frozen, show_number

MONTHS: Final = (
    *("janvier", "février", "mars", "avril", "mai", "juin"),
    *("juillet", "août", "septembre", "octobre", "novembre", "décembre"),
)
SIGNS: Final = (
    " -~\xa0-\xac\xae-\u02ff"  # Latin
    "\u0370-\u0377\u037a-\u037f\u0384-\u038a\u038c\u038e-\u03a1\u03a3-\u0482\u048a-\u04ff"  # Greek, Cyrillic
    "\u0531-\u0556\u0559-\u055f\u0561-\u0587\u05d0-\u05ea\u10d0-\u10ff"  # Armenian, Hebrew, Georgian
    "\u0621-\u063a\u0640-\u064a\u0660-\u0669"  # Arabic
    "\u1e00-\u1eff\u2000-\u200a\u2010-\u2027\u202f-\u203f\u20a0-\u20bf\u2116\u2122\u2190-\u22ff\u25a0-\u25ff\u2713\u2717\ufffd"
)
"""What the fonts that typst carries can show: PDF/UA has no place for a sign without a shape."""

UNSEEN: Final = re.compile(f"[^\n{SIGNS}]")
INSTEAD: Final = {"Cc": " ", "Zl": "\n", "Zp": "\n", "Cf": "", "Mn": "", "Mc": "", "Me": ""}
"""What stands for a sign that cannot be shown, by its category; for all others, a sign that says so."""

FRENCH_NUMBER: Final = re.compile(r"(?:0|\+33(?:0(?=\d{9}))?)(\d)(\d\d)(\d\d)(\d\d)(\d\d)")
THIN: Final = "\u202f"


def shown(text: str) -> str:
    """Keep of a text what can be shown, composed (NFC), without what is invisible or turns the reading round."""
    composed = unicodedata.normalize("NFC", text.replace("\r\n", "\n"))
    return UNSEEN.sub(lambda sign: INSTEAD.get(unicodedata.category(sign[0]), "\ufffd"), composed).strip()


def on_one_line(text: str) -> str:
    """Keep of a text what can be shown on one line."""
    return " ".join(shown(text).split())


def by_pairs(number: str) -> str:
    """Write a French telephone number as it is read, 06 39 98 00 00, and any other as it came."""
    french = FRENCH_NUMBER.fullmatch(re.sub(r"[\s.()-]", "", number))
    return " ".join((f"0{french[1]}", *french.groups()[1:])) if french else on_one_line(number)


class Centimes(int):
    """An amount of money, in cents."""


Ligne = Annotated[str, Field(max_length=300), AfterValidator(on_one_line)]
Nom = Annotated[Ligne, Field(min_length=1)]
Texte = Annotated[str, Field(max_length=10_000), AfterValidator(shown)]
Jour = date
Numero = Nom | Annotated[int, Field(strict=True)]
NumDemande = Nom | Annotated[int, Field(strict=True, ge=0, lt=10**9), AfterValidator(show_number)]
Telephone = Annotated[str, Field(max_length=40), AfterValidator(by_pairs)]
Montant = Annotated[
    int,
    Field(strict=True, ge=0, le=10**12, description="En centimes d'euro ; imprimé « 12,50 € »."),
    AfterValidator(Centimes),
]
Mots = Annotated[tuple[Ligne, ...], Field(max_length=50)]
Reponse = bool | Annotated[int, Field(strict=True)] | Annotated[float, Field(strict=True)] | Texte | Mots


class Personne(Frozen):
    """Somebody who answers for a child, or may collect one."""

    prenom: Nom
    nom: Nom
    lien: Ligne | None = None
    telephone: Telephone | None = None


class Prestation(Frozen):
    """A service chosen for a child."""

    libelle: Nom
    periode: Ligne | None = None
    tarif: Montant | None = None


class Enfant(Frozen):
    """A child of the family, and who may collect it."""

    prenom: Nom
    nom: Nom
    date_naissance: Jour | None = None
    ecole: Ligne | None = None
    classe: Ligne | None = None
    prestations: tuple[Prestation, ...] = Field(default=(), max_length=50)
    personnes_autorisees: tuple[Personne, ...] = Field(default=(), max_length=30)


class Famille(Frozen):
    """What a family checks once its children are enrolled."""

    famille: Nom
    enfants: tuple[Enfant, ...] = Field(min_length=1, max_length=30)
    responsables: tuple[Personne, ...] = Field(default=(), max_length=10)
    numero_dossier: Numero | None = None
    numdemande: NumDemande | None = None
    date: Jour | None = None
    saison: Ligne | None = None
    adresse: Ligne | None = None
    courriel: Ligne | None = None
    telephone_urgence: Telephone | None = None


class Liaison(Frozen):
    """What the school of one child must know."""

    prenom: Nom
    nom: Nom
    date_naissance: Jour | None = None
    ecole: Ligne | None = None
    classe: Ligne | None = None
    prestations: Mots = ()
    assurance: Ligne | None = None
    telephone_urgence: Telephone | None = None
    medecin: Ligne | None = None
    telephone_medecin: Telephone | None = None
    responsables: tuple[Personne, ...] = Field(default=(), max_length=10)
    personnes_autorisees: tuple[Personne, ...] = Field(default=(), max_length=30)
    allergies: Texte | None = None
    pai: bool | None = Field(default=None, description="Un projet d'accueil individualisé est en place.")
    consignes: Texte | None = None
    regime: Ligne | None = None
    observations: Texte | None = None
    numdemande: NumDemande | None = None
    date: Jour | None = None
    saison: Ligne | None = None


class Paiement(Frozen):
    """What a receipt attests."""

    objet: Nom
    montant: Montant
    date: Jour
    numero_transaction: Numero
    payeur: Ligne | None = None
    numdemande: NumDemande | None = None


class Renseignement(Frozen):
    """One answer of a form."""

    libelle: Nom
    valeur: Reponse | None = None


class Section(Frozen):
    """One step of a form."""

    titre: Ligne | None = None
    lignes: tuple[Renseignement, ...] = Field(max_length=200)


class Demande(Frozen):
    """Any request, as its form was filled."""

    titre: Nom
    numdemande: NumDemande
    date: Jour | None = None
    demandeur: Ligne | None = None
    sections: tuple[Section, ...] = Field(default=(), max_length=50)


class Commande(Frozen):
    """A document to make, under the name of its file."""

    nom: str = Field(max_length=100, pattern=r'^[^\\/:*?"<>|\x00-\x20\x7f.][^\\/:*?"<>|\x00-\x1f\x7f]*\.pdf$')


class RecapitulatifFamille(Commande):
    """A family, its children, and who may collect each of them."""

    modele: Literal["recapitulatif_famille"]
    champs: Famille


class FicheLiaison(Commande):
    """One child, for its school."""

    modele: Literal["fiche_liaison"]
    champs: Liaison


class RecuPaiement(Commande):
    """A receipt."""

    modele: Literal["recu_paiement"]
    champs: Paiement


class RecapitulatifDemande(Commande):
    """Any request."""

    modele: Literal["recapitulatif_demande"]
    champs: Demande


Composer = Annotated[
    RecapitulatifFamille | FicheLiaison | RecuPaiement | RecapitulatifDemande,
    Field(discriminator="modele"),
]
COMPOSER: Final[TypeAdapter[Composer]] = TypeAdapter(Composer)
MODELES: Final[dict[str, type[Frozen]]] = {
    "recapitulatif_famille": Famille,
    "fiche_liaison": Liaison,
    "recu_paiement": Paiement,
    "recapitulatif_demande": Demande,
}
"""What each template's fields are."""


@singledispatch
def say(value: Any) -> str:
    """Print a value in French; nothing for nothing."""
    return "" if value is None else str(value)


@say.register
def _(value: bool) -> str:  # noqa: FBT001  # what is dispatched on
    return "oui" if value else "non"


@say.register
def _(value: float) -> str:
    return str(value).replace(".", ",")


@say.register
def _(value: date) -> str:
    return f"{'1er' if value.day == 1 else value.day} {MONTHS[value.month - 1]} {value.year}"


@say.register
def _(value: Centimes) -> str:
    euros, cents = divmod(value, 100)
    return f"{euros:,}".replace(",", THIN) + f",{cents:02d}\xa0€"


@say.register
def _(value: tuple) -> str:  # type: ignore[type-arg]  # what is dispatched on has no arguments
    return ", ".join(map(say, value))

"""A September hour: requests in the proportions of a real year, by people who do not exist.

Each starts as one of the samples of its kind; names, dates of birth, numbers and addresses are drawn anew.
"""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import orjson

from hub.demo.papers import Paper, draw_paper

YEAR: Final[Mapping[str, int]] = {
    "etat_civil.naissance": 4865,
    "etat_civil.mariage": 280,
    "etat_civil.deces": 346,
    "restauration.reservation": 15056,
    "periscolaire.renouvellement": 529,
    "courrier.service": 2521,
    "courrier.maire": 556,
    "attestation.numerotage_peril": 3613,
}
"""How many of each kind one busy year brought to one city."""

WITH_PAPERS: Final[Mapping[str, float]] = {
    "etat_civil.naissance": 0.3,
    "etat_civil.mariage": 0.3,
    "etat_civil.deces": 0.3,
    "periscolaire.renouvellement": 0.8,
    "courrier.service": 0.3,
    "courrier.maire": 0.2,
    "attestation.numerotage_peril": 0.5,
}
"""Kind → how likely a request is to come with files."""

WITHIN_THE_MONTH: Final = timedelta(days=10)

FAMILIES: Final = (
    "Aubanel", "Barthélemy", "Bonnafous", "Cazeneuve", "Chabert", "Court-Payen", "Daumas", "Delaporte", "Estève",
    "Fabre", "Garcin", "Gueydan", "Hadjadj", "Imbert", "Joly", "Kacem", "Laugier", "Lefèvre", "Mouttet", "N'Diaye",
    "Nguyen", "Ollivier", "Pélissier", "Quillet", "Ravel", "Roumieu", "Sabatier", "Sœur", "Tassy", "Vigouroux",
)  # fmt: skip
GIVEN: Final[Mapping[str, tuple[str, ...]]] = {
    "female": ("Agathe", "Aïcha", "Camille", "Chloé", "Élise", "Gaëlle", "Inès", "Jeanne", "Léa", "Maëlys", "Zoé"),
    "male": ("Adrien", "Baptiste", "Célestin", "Étienne", "Gaël", "Hugo", "Jérôme", "Karim", "Loïc", "Noé", "Rémi"),
}
STREETS: Final = (
    "cours Sextius", "rue de l’Opéra", "avenue des Belges", "chemin de la Blaque", "rue Cardinale",
    "boulevard du Roi-René", "impasse du Puits", "place des Cardeurs", "traverse de l’Aigle-d’Or",
)  # fmt: skip

FAMILY_NAMES: Final = frozenset({"family_name", "nom", "preferred_username"})
GIVEN_NAMES: Final = frozenset({"given_name", "prenom", "prenoms"})


@dataclass(frozen=True, slots=True)
class Draft:
    """A request about to be submitted, with the files to upload first."""

    key: str
    submission: dict[str, Any]
    papers: tuple[Paper, ...] = ()


def read_samples(*homes: Path) -> dict[str, list[dict[str, Any]]]:
    """Read the samples of every kind under `homes`, by kind; those of questions have none."""
    samples: dict[str, list[dict[str, Any]]] = {}
    for file in sorted(file for home in homes for file in home.glob("routes/*/samples/*.json")):
        sample = orjson.loads(file.read_bytes())
        if "kind" in sample:
            samples.setdefault(sample["kind"], []).append(sample)
    return samples


def draw_hour(samples: Mapping[str, Sequence[Mapping[str, Any]]], requests: int, seed: int) -> Iterator[Draft]:
    """Draw the hour's requests; the same seed gives the same ones."""
    chance = random.Random(seed)  # noqa: S311  # a story, not a secret
    kinds = [kind for kind in YEAR if kind in samples]
    weights = [YEAR[kind] for kind in kinds]
    for index in range(requests):
        [kind] = chance.choices(kinds, weights)
        submission = vary(chance.choice(samples[kind]), chance)
        submission["external_reference"] = f"PORTAIL-2026-{seed:04d}-{index:06d}"
        papers = chance.randint(1, 2) if chance.random() < WITH_PAPERS.get(kind, 0) else 0
        yield Draft(f"demo-{seed}-{index}", submission, tuple(draw_paper(chance) for _ in range(papers)))


def vary(sample: Mapping[str, Any], chance: random.Random) -> dict[str, Any]:
    """Make another request of a sample: the same procedure, other people, each name changed everywhere alike."""
    submission = deepcopy(dict(sample))
    identity = submission["applicant"]["identity"]
    likes = GIVEN.get(identity.get("gender", ""), GIVEN["female"] + GIVEN["male"])
    names = Names(chance, {identity["given_name"]: chance.choice(likes)})
    submission = {key: _varied(key, member, names) for key, member in submission.items()}
    identity, contact = submission["applicant"]["identity"], submission["applicant"]["contact"]
    if contact.get("email"):
        contact["email"] = f"{ascii_of(identity['given_name'])}.{ascii_of(identity['family_name'])}@example.org"
    submission["attachments"] = []
    return submission


def bill_to(data: dict[str, Any], family: str) -> None:
    """Give a payment to another family: its invoices bear its number."""
    data["famille"]["identifiant"] = family
    for bill in data["factures"]:
        bill["numero"] = f"{family}-{bill['numero'].rpartition('-')[2]}"


def send_in_time(data: dict[str, Any]) -> None:
    """Have an appeal sent within its month, whatever the day of the story."""
    data["date_envoi"] = (date.fromisoformat(data["avis"]["date"]) + WITHIN_THE_MONTH).isoformat()


class Names:
    """Draws a new name for each old one, and the same one again when it comes back."""

    def __init__(self, chance: random.Random, known: Mapping[str, str]) -> None:
        self.chance, self._drawn = chance, dict(known)

    def family(self, old: str) -> str:
        """Give the new family name."""
        return self._drawn.setdefault(old, self.chance.choice(FAMILIES))

    def given(self, old: str) -> str:
        """Give the new given name."""
        return self._drawn.setdefault(old, self.chance.choice(GIVEN["female"] + GIVEN["male"]))


def ascii_of(name: str) -> str:
    """Write a name as e-mail addresses do."""
    plain = unicodedata.normalize("NFKD", name.replace("œ", "oe")).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z]+", "", plain.lower())


def _varied(name: str, value: Any, names: Names) -> Any:
    """Copy a value, drawing anew what tells people apart."""
    match value:
        case dict():
            return {key: _varied(key, member, names) for key, member in value.items()}
        case list():
            return [_varied(name, item, names) for item in value]
        case str() if draw := DRAWS.get(name):
            return draw(value, names)
        case _:
            return value


def _birth(old: str, names: Names) -> str:
    """Stay within the year: ages and classes go together."""
    return f"{old[:4]}-{names.chance.randint(1, 12):02d}-{names.chance.randint(1, 28):02d}"


def _phone(_: str, names: Names) -> str:
    """Draw in the range that the regulator keeps for fiction."""
    return "06 39 98 {:02d} {:02d}".format(*divmod(names.chance.randrange(10_000), 100))


def _street(_: str, names: Names) -> str:
    return f"{names.chance.randint(1, 120)} {names.chance.choice(STREETS)}"


def _file_number(_: str, names: Names) -> str:
    return str(names.chance.randint(1000, 49_999))


DRAWS: Final[Mapping[str, Callable[[str, Names], str]]] = {
    **dict.fromkeys(FAMILY_NAMES, lambda old, names: names.family(old)),
    **dict.fromkeys(GIVEN_NAMES, lambda old, names: names.given(old)),
    "birthdate": _birth,
    "date_naissance": _birth,
    "phone": _phone,
    "telephone": _phone,
    "telephone_urgence": _phone,
    "street": _street,
    "identifiant": _file_number,
}
"""Field → how its value is drawn anew."""

"""The baselines' view of `banc.essai`: the thirty fields as pydantic reads them, and as their target is written to."""

from __future__ import annotations

import unicodedata
from datetime import date
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from hub.model import Frozen, Submission

Gender = Literal["female", "male"]
Cog = Annotated[str, Field(pattern=r"^([0-9]{5}|2[AB][0-9]{3})$")]
Phone = Annotated[str, Field(pattern=r"^(\+33 ?|0)[1-9]( ?[0-9]{2}){4}$")]
Name = Annotated[str, Field(min_length=1, max_length=80)]

SEXES: Final = {"female": "F", "male": "M"}
DIETS: Final = {"standard": "STD", "no_pork": "SP", "vegetarian": "VEG"}


class Child(Frozen):
    """The child to enrol."""

    last_name: Name
    first_name: Name
    gender: Gender
    birth_date: date
    birthplace: Cog


class School(Frozen):
    """Its school."""

    code: Annotated[str, Field(pattern=r"^[0-9]{7}[A-Z]$")]
    level: Literal["PS", "MS", "GS", "CP", "CE1", "CE2", "CM1", "CM2"]
    start_date: date
    end_date: date


class Meals(Frozen):
    """Its meals."""

    diet: Literal["standard", "no_pork", "vegetarian"]
    days: Annotated[list[Literal["lundi", "mardi", "mercredi", "jeudi", "vendredi"]], Field(min_length=1, max_length=5)]
    start_date: date
    end_date: date


class Care(Frozen):
    """When it stays before and after school."""

    morning: bool
    evening: bool
    wednesday: bool
    start_date: date
    end_date: date


class Family(Frozen):
    """What its family's bill depends on."""

    quotient: Annotated[float, Field(ge=0, le=99_999)]
    caf_number: Annotated[str, Field(pattern=r"^[0-9]{7}$")]
    assessed_on: date
    insurer: Name
    insured_until: date


class SecondParent(Frozen):
    """Who else may be called."""

    last_name: Name
    first_name: Name
    phone: Phone


class Health(Frozen):
    """What the staff must know."""

    vaccinated_on: date
    allergies: Annotated[str, Field(min_length=1, max_length=200)]
    doctor_phone: Phone


class Enrolment(Frozen):
    """The thirty fields of `banc.essai`."""

    child: Child
    school: School
    meals: Meals
    care: Care
    family: Family
    second_parent: SecondParent
    health: Health
    signed_on: date


class EnrolmentSubmission(Submission):
    """The hub's own envelope around an enrolment."""

    kind: Literal["banc.essai"]
    data: Enrolment  # type: ignore[assignment]  # narrower than the envelope's dict


def ascii_only(text: str) -> str:
    """Write without accents."""
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()


def date_fr(day: date) -> str:
    """Write JJ/MM/AAAA."""
    return day.strftime("%d/%m/%Y")


def phone_fr(number: str) -> str:
    """Write ten digits."""
    return number.replace(" ", "").replace("+33", "0")


def yes_no(chosen: bool) -> str:  # noqa: FBT001  # a value to write, not an option
    """Write O or N."""
    return "O" if chosen else "N"


def write_message(said: Enrolment) -> dict[str, Any]:
    """Map an enrolment to the target's thirty fields, as assets/mappings/rest/banc_essai.yaml does."""
    child, school, meals, care, family = said.child, said.school, said.meals, said.care, said.family
    parent, health = said.second_parent, said.health
    return {
        "nom": ascii_only(child.last_name).upper(),
        "prenom": ascii_only(child.first_name),
        "sexe": SEXES[child.gender],
        "date_naissance": date_fr(child.birth_date),
        "commune_naissance": child.birthplace,
        "etablissement": school.code,
        "niveau": school.level,
        "scolarite_debut": date_fr(school.start_date),
        "scolarite_fin": date_fr(school.end_date),
        "regime": DIETS[meals.diet],
        "jours": ",".join(meals.days),
        "repas_debut": date_fr(meals.start_date),
        "repas_fin": date_fr(meals.end_date),
        "accueil_matin": yes_no(care.morning),
        "accueil_soir": yes_no(care.evening),
        "accueil_mercredi": yes_no(care.wednesday),
        "accueil_debut": date_fr(care.start_date),
        "accueil_fin": date_fr(care.end_date),
        "quotient": round(family.quotient * 100),
        "allocataire": family.caf_number,
        "quotient_date": date_fr(family.assessed_on),
        "assureur": family.insurer.upper(),
        "assurance_fin": date_fr(family.insured_until),
        "parent_nom": ascii_only(parent.last_name).upper(),
        "parent_prenom": ascii_only(parent.first_name),
        "parent_telephone": phone_fr(parent.phone),
        "vaccination": date_fr(health.vaccinated_on),
        "allergies": health.allergies,
        "medecin_telephone": phone_fr(health.doctor_phone),
        "signature": said.signed_on.isoformat(),
    }

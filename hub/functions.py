"""The closed list of functions that mappings may call, beside JSONata's own: French administration in one place.

Every function gives nothing back for nothing in (a missing field stays missing), and raises ValueError,
without the value, for what it cannot read.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from functools import wraps
from types import MappingProxyType
from typing import Any, Final

LATIN_1: Final = str.maketrans(
    {
        "œ": "oe",
        "Œ": "OE",
        "’": "'",
        "‘": "'",
        "“": '"',
        "”": '"',
        "–": "-",
        "—": "-",
        "…": "...",
        "€": "EUR",
    }
)
LIGATURES: Final = str.maketrans({"œ": "oe", "Œ": "OE", "æ": "ae", "Æ": "AE", "ß": "ss", "’": "'", "‘": "'"})
CIVILITE: Final = {"female": "MADAME", "male": "MONSIEUR"}
SEXE: Final = {"female": "F", "male": "M"}
CONTROLS: Final = re.compile("[\x00-\x1f\x7f\ufffe\uffff]")

FUNCTIONS: dict[str, tuple[str, Callable[..., Any]]] = {}


def function(signature: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """List a function under its own name, with its JSONata signature; nothing in, nothing out."""

    def listing(body: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(body)
        def called(value: Any = None, *rest: Any) -> Any:
            if value is None:
                return None
            return body(value, *rest) if rest else body(value)

        FUNCTIONS[body.__name__] = (signature, called)
        return called

    return listing


@function("<s?:s>")
def ascii(text: str) -> str:  # noqa: A001  # the name integrators write
    """Write without accents or ligatures: `Lefèvre` → `Lefevre`."""
    if text.isascii():
        return text
    return unicodedata.normalize("NFKD", text.translate(LIGATURES)).encode("ascii", "ignore").decode()


@function("<s?:s>")
def upper(text: str) -> str:
    """Write in capitals, accents kept: `Lefèvre` → `LEFÈVRE`."""
    return text.upper()


@function("<s?:s>")
def latin1(text: str) -> str:
    """Write with the characters of ISO-8859-1 only; what has no equivalent loses its accent, or goes."""
    if text.isascii():
        return text
    plain = unicodedata.normalize("NFC", text).translate(LATIN_1)
    return "".join(letter if ord(letter) < 256 else ascii(letter) for letter in plain)


@function("<s?:s>")
def lettres(text: str) -> str:
    """Write a name with the capitals, spaces, dots, hyphens and apostrophes that civil registries admit.

    `Nguyễn (née 王)` → `NGUYEN NÉE`; nothing is left of a name in another alphabet.
    """
    return " ".join(re.sub(r"[^A-ZÀ-ÖØ-Þ .'-]+", " ", latin1(text.upper())).split())


@function("<s?:s>")
def propre(text: str) -> str:
    """Write without control characters, which XML 1.0 cannot hold."""
    return CONTROLS.sub(" ", text)


@function("<sn?:s>")
def cut(text: str, length: int) -> str:
    """Keep the first `length` characters."""
    return text[: int(length)]


@function("<s?:s>")
def date_fr(iso: str) -> str:
    """Turn an ISO date or date-time into JJ/MM/AAAA."""
    day = date.fromisoformat(iso[:10])
    return f"{day.day:02d}/{day.month:02d}/{day.year:04d}"


@function("<s?:s>")
def date_iso(french: str) -> str:
    """Turn JJ/MM/AAAA into an ISO date."""
    day, month, year = (int(part) for part in french.split("/"))
    return date(year, month, day).isoformat()


@function("<(ns)?:n>")
def cents(euros: float | str) -> int:
    """Turn euros into whole cents, halves upwards: `12.345` → `1235`."""
    amount = Decimal(str(euros).replace(",", ".")) * 100
    return int(amount.quantize(Decimal(1), ROUND_HALF_UP))


@function("<n?:s>")
def euros(amount: float) -> str:
    """Turn cents into euros as people read them: `1235` → `12,35 €`."""
    return f"{Decimal(int(amount)) / 100:.2f}".replace(".", ",") + " €"


@function("<s?:s>")
def cog(code: str) -> str:
    """Check a commune's or a country's COG code (INSEE): five characters, `2A004` included."""
    if not re.fullmatch(r"\d{5}|2[AB]\d{3}", code):
        raise ValueError("not a COG code")
    return code


@function("<s?:s>")
def departement(code: str) -> str:
    """Tell the département of a COG or postal code: `13001` → `13`, `97411` → `974`."""
    return code[:3] if code.startswith(("97", "98")) else code[:2]


@function("<s?:s>")
def phone_fr(number: str) -> str:
    """Write a French number with ten digits: `+33 6 12 34 56 78` → `0612345678`."""
    digits = re.sub(r"\D", "", number)
    national = re.sub(r"^(00)?33(0)?", "0", digits)
    if not re.fullmatch(r"0\d{9}", national):
        raise ValueError("not a French telephone number")
    return national


@function("<s?:s>")
def civilite(gender: str) -> str:
    """Turn FranceConnect's gender into MADAME or MONSIEUR."""
    return CIVILITE[gender]


@function("<s?:s>")
def sexe(gender: str) -> str:
    """Turn FranceConnect's gender into F or M."""
    return SEXE[gender]


@function("<s?:s>")
def saison(iso: str) -> str:
    """Tell the school year of a date, from August on the next one: `2026-09-01` → `2026-2027`."""
    day = datetime.fromisoformat(iso)
    first = day.year if day.month >= 8 else day.year - 1
    return f"{first}-{first + 1}"


@function("<(ns)?:s>")
def numero(number: float | str) -> str:
    """Show a request's number as agents read it: `167 046 020`."""
    digits = f"{int(number):09d}"
    return f"{digits[:3]} {digits[3:6]} {digits[6:]}"


CLOSED_LIST: Final[Mapping[str, tuple[str, Callable[..., Any]]]] = MappingProxyType(FUNCTIONS)
"""Name → (JSONata signature, implementation)."""

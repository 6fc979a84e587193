"""Formats that JSON Schema does not know and French forms need: numbers that bear their own check."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import jsonschema_rs

LA_POSTE: Final = "356000000"
"""The SIREN whose establishments are checked by the plain sum of their digits."""


def is_iban(text: str) -> bool:
    """Say whether an IBAN's two check digits are right (ISO 13616, MOD 97-10)."""
    if not re.fullmatch(r"[A-Z]{2}[0-9]{2}[0-9A-Z]{11,30}", text):
        return False
    return int("".join(str(int(sign, 36)) for sign in text[4:] + text[:4])) % 97 == 1


def is_siret(text: str) -> bool:
    """Say whether a SIRET's last digit is right (Luhn, except for the post offices)."""
    if not re.fullmatch(r"[0-9]{14}", text):
        return False
    digits = [int(digit) for digit in text]
    if text.startswith(LA_POSTE) and sum(digits) % 5 == 0:
        return True
    doubled = [digit * 2 - 9 * (digit > 4) if place % 2 == 0 else digit for place, digit in enumerate(digits)]
    return sum(doubled) % 10 == 0


FORMATS: Final[Mapping[str, Callable[[str], bool]]] = {"iban": is_iban, "siret": is_siret}
"""`format` in a schema → whether a text has it."""


def validator(schema: Mapping[str, Any]) -> jsonschema_rs.Draft202012Validator:
    """Compile a schema, formats included."""
    return jsonschema_rs.Draft202012Validator(dict(schema), validate_formats=True, formats=dict(FORMATS))

"""What citizens read: sentences whose fields in brackets, `[numdemande]`, are filled in."""

from __future__ import annotations

from hub.model import show_number


def fill(sentence: str, number: int, title: str = "") -> str:
    """Fill a sentence's fields: `[numdemande]`, the request's number, and `[demarche]`, its kind's title."""
    return sentence.replace("[numdemande]", show_number(number)).replace("[demarche]", title)

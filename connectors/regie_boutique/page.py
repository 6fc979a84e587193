"""What a payer sees in the sandbox: PayFiP's page as the shop leads to it, and the buttons by which they decide."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Final

from aiohttp import web

CHOICES: Final[Mapping[str, str]] = {
    "P": "Payer par carte",
    "V": "Payer par prélèvement",
    "R": "Refuser (comme la banque)",
    "A": "Abandonner",
}
STYLE: Final = "body{font:18px/1.6 sans-serif;max-width:36rem;margin:3rem auto}button{font:inherit;padding:.4rem 1rem}"


def form(lines: Iterable[str]) -> str:
    """Write what is to be paid, and the form where a payer decides."""
    told = "".join(f"<p>{escape(line)}</p>" for line in lines)
    buttons = "".join(f'<button name="resultat" value="{letter}">{said}</button> ' for letter, said in CHOICES.items())
    return f'{told}<form method="post">{buttons}</form>'


def page(title: str, content: str, *, status: int = 200) -> web.Response:
    """Write a page in French, whose content is already HTML."""
    text = (
        f'<!doctype html><html lang="fr"><meta charset="utf-8"><title>{title} – boutique (bac à sable)</title>'
        f"<style>{STYLE}</style><h1>{title}</h1>{content}"
        "<p><small>Bac à sable : aucun argent ne circule ici.</small></p></html>"
    )
    return web.Response(status=status, text=text, content_type="text/html")

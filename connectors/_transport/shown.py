"""A contract as a sandbox shows it: the WSDL at `?wsdl`, and each schema that it names at `?xsd=<file>`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from aiohttp import web

NAMED: Final = re.compile(rb'schemaLocation="([\w.-]+)"')


def show_contract(request: web.Request, wsdl: Path) -> web.Response | None:
    """Answer a GET for a WSDL, or for a schema beside it; None for anything else."""
    if request.method != "GET":
        return None
    if "wsdl" in request.query:
        return _show(wsdl)
    name = request.query.get("xsd", "")
    file = next((file for file in wsdl.parent.glob("*.xsd") if file.name == name), None)
    return _show(file) if file else None


def _show(file: Path) -> web.Response:
    text = NAMED.sub(rb'schemaLocation="?xsd=\1"', file.read_bytes())
    return web.Response(body=text, headers={"Content-Type": "text/xml; charset=utf-8"})

"""A pygeoapi of our own: a real server of OGC API Features with two layers, complaints (editable) and districts."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import asynccontextmanager
from importlib.util import find_spec
from itertools import count
from pathlib import Path

import orjson

from hub.connector import LOOPBACK
from hub.throwaway import free_port

LAYERS = ("doleances", "quartiers")
READY = b"Running on"
WITHIN = 60
ABOUT = {"title": "Carte", "description": "Carte de la ville", "keywords": ["carte"]}
WORLD = {"spatial": {"bbox": [-180, -90, 180, 90], "crs": "http://www.opengis.net/def/crs/OGC/1.3/CRS84"}}
METADATA = {
    "identification": {**ABOUT, "keywords_type": "theme", "terms_of_service": "-", "url": "https://example.org/"},
    "license": {"name": "-", "url": "https://example.org/"},
    "provider": {"name": "-", "url": "https://example.org/"},
    "contact": {"name": "-"},
}


def is_installed() -> bool:
    """Say whether pygeoapi can be run here."""
    return find_spec("pygeoapi") is not None and find_spec("tinydb") is not None


@asynccontextmanager
async def pygeoapi(folder: Path, **features):
    """Run pygeoapi for the length of a block, its layers holding these features; gives its URL."""
    url = f"http://{LOOPBACK}:{free_port()}"
    environment = {
        **os.environ,
        "PYGEOAPI_CONFIG": str(written(folder / "config.yml", configuration(url, folder))),
        "PYGEOAPI_OPENAPI": str(written(folder / "openapi.yml", {"openapi": "3.0.2", "paths": {}})),
    }
    for layer in LAYERS:
        numbered = dict(zip(map(str, count(1)), features[layer], strict=False))
        written(folder / f"{layer}.json", {"_default": numbered})
    command = ("-m", "flask", "--app", "pygeoapi.flask_app:APP", "run", "--port", url.rpartition(":")[2])
    pipes = {"stdout": asyncio.subprocess.PIPE, "stderr": asyncio.subprocess.STDOUT, "env": environment}
    process = await asyncio.create_subprocess_exec(sys.executable, *command, **pipes)
    draining = None
    try:
        async with asyncio.timeout(WITHIN):
            await until_ready(process.stdout)
        draining = asyncio.create_task(process.stdout.read())
        yield url
    finally:
        process.kill()
        await process.wait()
        if draining:
            await draining


async def until_ready(output: asyncio.StreamReader) -> None:
    """Read what a server prints until it says that it listens; raises ChildProcessError when it ends before."""
    said = b""
    while READY not in said:
        line = await output.readline()
        if not line:
            raise ChildProcessError(said.decode())
        said += line


def configuration(url: str, folder: Path) -> dict:
    """Write pygeoapi's settings: TinyDB is its provider that can be edited."""
    host, _, port = url.removeprefix("http://").partition(":")
    return {
        "server": {
            "bind": {"host": host, "port": int(port)},
            "url": url,
            "mimetype": "application/json; charset=UTF-8",
            "encoding": "utf-8",
            "language": "fr-FR",
            "limits": {"default_items": 10, "max_items": 100},
            "map": {"url": "https://example.org/", "attribution": "-"},
        },
        "logging": {"level": "ERROR"},
        "metadata": METADATA,
        "resources": {layer: collection(folder / f"{layer}.json", editable=layer == "doleances") for layer in LAYERS},
    }


def collection(file: Path, *, editable: bool) -> dict:
    """Write the settings of one layer."""
    provider = {"type": "feature", "name": "TinyDB", "data": str(file), "id_field": "id", "editable": editable}
    return {"type": "collection", **ABOUT, "extents": WORLD, "providers": [provider]}


def written(file: Path, document: dict) -> Path:
    """Write a file of JSON, which is YAML too."""
    file.write_bytes(orjson.dumps(document))
    return file

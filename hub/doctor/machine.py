"""Checks of the machine and of the files beside the settings: program, settings, secrets, logs, disk, port."""

from __future__ import annotations

import errno
import json
import os
import platform
import shutil
import socket
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

from sqlalchemy import make_url

from hub.database import is_server
from hub.doctor.finding import Finding, Level, UnseenError
from hub.doctor.installation import BY_ENVIRONMENT, Installation
from hub.keys import are_there_any
from hub.logs import FORMATS, LEVELS, SHOWN
from hub.settings import Bucket

OPEN_TO_OTHERS: Final = 0o077
SHORTEST_SECRET: Final = 32

PUBLIC_FILES: Final = frozenset({"ca_file", "cert_file"})
"""Files that settings name and that are nobody's secret."""

IN_CLEAR: Final = frozenset({"password", "bearer", "token", "client_secret", "caller_password"})
"""Settings of targets that are secrets themselves."""

LITTLE: Final = 2 << 30
TOO_LITTLE: Final = 200 << 20
"""Bytes left on a disk below which it is to be seen to, or is about to refuse what portals send."""

ANSWERS_WITHIN: Final = 3.0

TAKEN: Final[Mapping[int, str]] = {
    errno.EADDRINUSE: "another program has the port: stop it, or choose another with `port`",
    errno.EACCES: "this user may not listen there: choose a port above 1023",
    errno.EADDRNOTAVAIL: "this machine has no such address: correct `host`",
}
"""Why a hub could not listen → what to do."""


def program(_case: Installation) -> Iterator[Finding]:
    """Say which hub this is."""
    said = f"city-hub {version('city-hub')}, Python {platform.python_version()}, {platform.system()}"
    yield Finding("program", Level.WELL, platform.node(), said)


def settings(case: Installation) -> Iterator[Finding]:
    """Look at what could not be read of the settings."""
    where = str(case.file or "no hub.yaml here: the defaults")
    for name, said in case.wrong.items():
        place = f"{name}_FILE" if name in BY_ENVIRONMENT.values() else where
        yield Finding("settings", Level.FAULT, place, said, "correct it: the hub does not start with it")
    if not case.wrong:
        yield Finding("settings", Level.WELL, where, f"read; {len(case.settings.targets)} targets")


def logs(_case: Installation) -> Iterator[Finding]:
    """Look at the variables that say how it logs."""
    shape, level = os.environ.get("HUB_LOG_FORMAT"), os.environ.get("HUB_LOG_LEVEL")
    for name, said, known in (
        ("HUB_LOG_FORMAT", shape, FORMATS),
        ("HUB_LOG_LEVEL", level.upper() if level else level, LEVELS),
    ):
        if said and said not in known:
            yield Finding("logs", Level.FAULT, name, "it is not a value that is known", f"say {' or '.join(known)}")
    if os.environ.get("HUB_LOG_LIBRARIES") == SHOWN:
        said = "libraries' own texts are shown, with whatever personal data are in them"
        yield Finding("logs", Level.WARNING, "HUB_LOG_LIBRARIES", said, "take it out where requests are real")


def secrets(case: Installation) -> Iterator[Finding]:
    """Look at the installation's secret, at the files of targets' secrets, and at what the settings hold in clear."""
    own = case.settings.secret_file
    yield from _mode(own) if own.exists() else _no_secret(case, own)
    if own.exists() and os.access(own, os.R_OK) and len(own.read_text(errors="replace").strip()) < SHORTEST_SECRET:
        said = f"it has fewer than {SHORTEST_SECRET} characters"
        yield Finding("secrets", Level.FAULT, str(own), said, "put the secret back from a backup")
    held = {name: dict(_walk(said.settings)) for name, said in case.settings.targets.items()}
    for name, its in held.items():
        for setting, value in its.items():
            if setting.endswith("_file") and setting not in PUBLIC_FILES:
                yield from _target_secret(f"targets.{name}.{setting}", Path(value))
    clear = any(IN_CLEAR & its.keys() for its in held.values())
    if case.file and clear and case.file.stat().st_mode & OPEN_TO_OTHERS:
        said = "it holds passwords, and others on this machine may read it"
        yield Finding("secrets", Level.WARNING, str(case.file), said, f"chmod 600 {case.file}, or use password_file")
    for name in BY_ENVIRONMENT.values():
        if (file := os.environ.get(f"{name}_FILE")) and Path(file).exists():
            yield from _mode(Path(file))


def _no_secret(case: Installation, file: Path) -> Iterator[Finding]:
    try:
        with case.reading() as connection:
            is_new = not are_there_any(connection)
    except UnseenError:
        is_new = True
    if is_new:
        yield Finding("secrets", Level.WELL, str(file), "there is none yet: the first start makes it")
        return
    said = "it is gone, and the keys of this installation were made with it"
    yield Finding("secrets", Level.FAULT, str(file), said, "put it back from a backup, or from another machine")


def _target_secret(setting: str, file: Path) -> Iterator[Finding]:
    if not file.is_file() or not os.access(file, os.R_OK):
        todo = "put the file there, readable by the hub's user"
        yield Finding("secrets", Level.FAULT, setting, f"{file} cannot be read", todo)
    else:
        yield from _mode(file)


def _mode(file: Path) -> Iterator[Finding]:
    mode = file.stat().st_mode & 0o777
    if mode & OPEN_TO_OTHERS:
        said = f"others on this machine may read it (mode {mode:04o})"
        yield Finding(
            "secrets", Level.FAULT, str(file), said, f"chmod 600 {file}; then renew it, for who may have read it"
        )
    elif not os.access(file, os.R_OK):
        yield Finding("secrets", Level.FAULT, str(file), "this user cannot read it", "run as the hub's user")


def _walk(said: Any) -> Iterator[tuple[str, str]]:
    """Find every setting whose value is a text, however deep."""
    for name, value in said.items() if isinstance(said, Mapping) else ():
        if isinstance(value, str):
            yield str(name), value
        else:
            yield from _walk(value)


def disk(case: Installation) -> Iterator[Finding]:
    """Look at the room left where the hub writes."""
    for place in dict.fromkeys(map(_standing, _written(case))):
        free = shutil.disk_usage(place).free
        level = Level.FAULT if free < TOO_LITTLE else Level.WARNING if free < LITTLE else Level.WELL
        said = f"{free / (1 << 30):.1f} GiB left"
        todo = "make room: a full disk refuses what portals send" if level is not Level.WELL else ""
        yield Finding("disk", level, str(place), said, todo)
        if not os.access(place, os.W_OK):
            todo = "give it to the hub's user, or run as that user"
            yield Finding("disk", Level.FAULT, str(place), "this user may not write there", todo)


def _written(case: Installation) -> Iterator[Path]:
    if not is_server(case.settings.database):
        yield Path(make_url(case.settings.database).database or "hub.db").absolute().parent
    files = case.settings.files
    yield (files.arrivals if isinstance(files, Bucket) else files).absolute()


def _standing(folder: Path) -> Path:
    """Give a folder, or the nearest above it that exists."""
    return next(one for one in (folder, *folder.parents) if one.exists())


def port(case: Installation) -> Iterator[Finding]:
    """Ask whether a hub answers where this one would listen, and whether it could."""
    host, number = case.settings.host, case.settings.port
    if not number:
        yield Finding("port", Level.WELL, host, "a free one is taken at each start")
        return
    where = f"http://{'127.0.0.1' if host in {'0.0.0.0', '::'} else host}:{number}"  # noqa: S104  # compared with
    said = _health(where)
    if said is None:
        yield from _listening(host, number, where)
    elif said.get("status") == "ready":
        yield Finding("port", Level.WELL, where, "a hub answers there, and does its part")
    elif reasons := said.get("reasons"):
        todo = "read its log; `/health/ready` says when it is well again"
        yield Finding("port", Level.FAULT, where, f"the hub there is not well: {', '.join(reasons)}", todo)
    else:
        yield Finding("port", Level.FAULT, where, "what answers there is no hub", TAKEN[errno.EADDRINUSE])


def _health(url: str) -> dict[str, Any] | None:
    """Give what a hub says of its health, {} for what is no hub, None where nothing listens."""
    try:
        with build_opener(ProxyHandler({})).open(f"{url}/health/ready", timeout=ANSWERS_WITHIN) as answer:
            said = json.loads(answer.read())
    except HTTPError as error:
        try:
            said = json.loads(error.read()) if error.code == HTTPStatus.SERVICE_UNAVAILABLE else {}
        except ValueError:
            said = {}
    except ValueError:
        said = {}
    except OSError as error:
        reason = getattr(error, "reason", error)
        return None if isinstance(reason, OSError) and reason.errno in {errno.ECONNREFUSED, errno.EADDRNOTAVAIL} else {}
    return said if isinstance(said, dict) else {}


def _listening(host: str, number: int, where: str) -> Iterator[Finding]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.create_server((host, number), family=family):
            yield Finding("port", Level.WELL, where, "no hub runs there; the port is free")
    except OSError as error:
        said = f"it cannot be listened on: {error.strerror}"
        yield Finding("port", Level.FAULT, where, said, TAKEN.get(error.errno or 0, "correct `host` and `port`"))

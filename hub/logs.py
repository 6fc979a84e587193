"""Logs: one line an occurrence, of fields that are listed here, and never what came in or what a target said.

A field that is not listed is left out and counted, so that no personal data gets in by oversight. An exception is told
by its class and its place: its text may hold anything. Libraries say what they like in theirs, so of a library's line
only the logger, the level, the place and the exception's class are kept; the place is the statement that speaks, and
its text can be read there. `HUB_LOG_LIBRARIES=text` shows it all the same, for an installation without real requests.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Iterator, Mapping, MutableMapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Final, TextIO

import structlog

from hub.errors import ConfigurationError
from hub.tracing import CURRENT

FIELDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "timestamp": "when, in UTC",
        "level": "how grave it is",
        "event": "what happened: a sentence of the code",
        "request": "the number of the request it is about",
        "delivery": "the key of the delivery it is about",
        "trace_id": "the trace that the request belongs to",
        "logger": "the library that speaks",
        "error": "the class of an exception",
        "place": "the file and line that an exception, or a library's line, came from",
        "stack": "files, lines and functions on the way there",
        "dropped": "how many fields were left out of this line",
        "batch": "the number of a change in a batch",
        "code": "why, in a word of our tables",
        "failures": "how many there were in a row",
        "file": "a file of the installation",
        "files": "how many files",
        "findings": "how many findings",
        "first": "the first of them, by file and line",
        "kinds": "kinds of request, or how many",
        "lacking": "kinds and the targets they lack",
        "locked": "whether an account is",
        "mapping": "a mapping's name",
        "mappings": "mappings' names",
        "operation": "an operation of a target",
        "queries": "queries, or how many",
        "query": "a query's name",
        "reason": "which fields are wrong, never what is in them",
        "route": "a route's name",
        "sealed": "the table and column of a sealed value",
        "signature": "the name by which a virus scanner knows what it found",
        "standing": "how a contract stands",
        "step": "a step's name",
        "target": "a target's name",
        "version": "the version of a catalogue",
    }
)
"""Every field that a line may have → what it holds. Names and codes of ours, counts and ids; nobody's data."""

DROPPED: Final[Counter[str]] = Counter()
"""How often this process left out each name that is not listed."""

LONGEST: Final = 300
MOST: Final = 50
"""Characters of a text, and items of a list, that a line keeps."""

DEEPEST: Final = 12
"""Frames of an exception's way that a line keeps: the last ones."""

LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR")
FORMATS: Final = ("json", "console")
WITHHELD: Final = "a library speaks"
SHOWN: Final = "text"

Line = MutableMapping[str, Any]

log = structlog.get_logger()


def log_to_stderr(stream: TextIO | None = None, environment: Mapping[str, str] = os.environ) -> None:
    """Write logs to standard error: for people on a terminal, as JSON elsewhere; raises ConfigurationError.

    Standard output is for answers. `HUB_LOG_FORMAT` and `HUB_LOG_LEVEL` say otherwise.
    """
    out = stream or sys.stderr
    by_default = "console" if out.isatty() else "json"
    shape = _one_of(FORMATS, "HUB_LOG_FORMAT", environment.get("HUB_LOG_FORMAT") or by_default)
    level = _one_of(LEVELS, "HUB_LOG_LEVEL", (environment.get("HUB_LOG_LEVEL") or "INFO").upper())
    render = (
        structlog.dev.ConsoleRenderer() if shape == "console" else structlog.processors.JSONRenderer(sort_keys=False)
    )
    steps = (structlog.processors.TimeStamper(fmt="iso"), in_context, discreet, listed, render)
    structlog.configure(
        processors=[structlog.processors.add_log_level, *steps],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level)),
        logger_factory=structlog.PrintLoggerFactory(out),
    )
    shows = environment.get("HUB_LOG_LIBRARIES") == SHOWN
    _take_libraries(out, Libraries(steps, shows_text=shows))
    _take_what_nobody_caught()
    if shows:
        log.warning("libraries' own texts are shown: personal data may be among them")


class Libraries(logging.Formatter):
    """Writes what libraries log as our own lines are written."""

    def __init__(self, steps: tuple[Any, ...], *, shows_text: bool) -> None:
        super().__init__()
        self._steps, self._shows_text = steps, shows_text

    def format(self, record: logging.LogRecord) -> str:
        """Say who speaks, from where, and what class of exception it is about."""
        said = record.getMessage() if self._shows_text else WITHHELD
        level = record.levelname.lower()
        line: Any = {"event": said, "level": level, "logger": record.name, "place": place_of(record)}
        if error := raised(record):
            line["exc_info"] = error
        for step in self._steps:
            line = step(None, level, line)
        return str(line)


def raised(record: logging.LogRecord) -> BaseException | None:
    """Give the exception that a library's line is about; `error` is where a filter of ours keeps it."""
    kept = getattr(record, "error", None)
    if isinstance(kept, BaseException):
        return kept
    return record.exc_info[1] if isinstance(record.exc_info, tuple) else None


def place_of(record: logging.LogRecord) -> str:
    """Say which statement spoke."""
    return f"{record.filename}:{record.lineno}"


def in_context(_logger: Any, _method: str, line: Line) -> Line:
    """Say for which request, delivery and trace it happened, where there is one."""
    if (span := CURRENT.get()) is not None:
        line.setdefault("trace_id", span.trace_id)
        if span.request:
            line.setdefault("request", f"{span.request:09d}")
        if span.delivery:
            line.setdefault("delivery", f"{span.delivery // 1000:09d}-{span.delivery % 1000}")
    return line


def discreet(_logger: Any, _method: str, line: Line) -> Line:
    """Tell an exception by its class, its place and the way there, without its text."""
    told = line.pop("exc_info", None)
    error = sys.exc_info()[1] if told is True else told[1] if isinstance(told, tuple) else told
    if isinstance(error, BaseException):
        way = list(frames(error))
        line["error"] = type(error).__name__
        line.update({"place": way[-1].partition(" ")[0], "stack": way} if way else {})
    return line


def frames(error: BaseException) -> Iterator[str]:
    """Say by which files, lines and functions an exception came, the place where it was raised last."""
    for frame in traceback.extract_tb(error.__traceback__)[-DEEPEST:]:
        yield f"{Path(frame.filename).name}:{frame.lineno} {frame.name}"


def listed(_logger: Any, _method: str, line: Line) -> Line:
    """Keep the fields that are listed, as plain values, and count the others."""
    kept = {name: plain(value) for name, value in line.items() if name in FIELDS}
    left_out = line.keys() - kept.keys()
    DROPPED.update(left_out)
    return {**kept, "dropped": len(left_out)} if left_out else kept


def plain(value: Any) -> Any:
    """Give a value as a line may hold it: what is no text, number or list of those is told by its class alone."""
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            return "".join(character if character.isprintable() else " " for character in value[:LONGEST])
        case list() | tuple() | set() | frozenset():
            return [plain(item) for item in list(value)[:MOST]]
        case _:
            return type(value).__name__


def _one_of(known: tuple[str, ...], name: str, said: str) -> str:
    if said not in known:
        raise ConfigurationError(name, f"one of {', '.join(known)}")
    return said


def _take_libraries(out: TextIO, formatter: logging.Formatter) -> None:
    """Write what libraries log at WARNING or above, Python's own warnings among it: those quote values, too."""
    handler = logging.StreamHandler(out)
    handler.setFormatter(formatter)
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.captureWarnings(capture=True)


def _take_what_nobody_caught() -> None:
    """Log what would end a process or a thread with its text on standard error."""

    def in_process(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if not issubclass(kind, Exception):
            sys.__excepthook__(kind, error, trace)
            return
        log.error("nobody caught it", exc_info=error)

    def in_thread(said: threading.ExceptHookArgs) -> None:
        log.error("nobody caught it in a thread", exc_info=said.exc_value)

    sys.excepthook, threading.excepthook = in_process, in_thread

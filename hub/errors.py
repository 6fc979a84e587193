"""What can go wrong, filed by what the hub must do next.

HubError
├── ConfigurationError      refuse to start
├── IllegalTransitionError  a bug: stop and page
├── ConflictError           someone else moved it first: tell the caller
├── MappingError            park it for a person: nothing was sent
└── DeliveryError
    ├── TransientError      send it again later
    ├── UncertainError      ask the target before sending it again
    └── RefusedError        park it for a person
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path


class HubError(Exception):
    """The hub knows what this is and what follows from it."""


class ConfigurationError(HubError):
    """A file of the installation says something the hub cannot obey: where, and what was expected."""

    def __init__(self, file: Path | str, expected: str, line: int | None = None) -> None:
        self.file, self.line, self.expected = str(file), line, expected
        super().__init__(f"{file}:{line}: {expected}" if line else f"{file}: {expected}")


class IllegalTransitionError(HubError):
    """A delivery was asked to leave its lifecycle table."""


class ConflictError(HubError):
    """What was asked no longer applies: the object moved in the meantime, or never allowed it."""


class MappingError(HubError):
    """A mapping could not write its message: names the fields, never their values."""

    def __init__(self, mapping: str, fields: tuple[str, ...]) -> None:
        self.mapping, self.fields = mapping, fields
        super().__init__(f"{mapping}: {', '.join(fields)}")


class DeliveryError(HubError):
    """A target was spoken to, or should have been, and did not say yes.

    `code` is stable, short and fit for a metric's label; it comes from the connector's `errors.toml` or
    from the transport's table. What the target really said stays in the attempt's exchange: it may hold
    personal data and never enters an error's text.
    """

    def __init__(self, code: str, *, stage: str = "", retry_after: timedelta | None = None) -> None:
        self.code, self.stage, self.retry_after = code, stage, retry_after
        super().__init__(code)


class TransientError(DeliveryError):
    """Nothing was taken, and we know it: it may be sent again later."""


class UncertainError(DeliveryError):
    """It may have been taken: nobody sends it again before asking."""


class RefusedError(DeliveryError):
    """The target read it and said no."""

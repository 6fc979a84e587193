"""A target that speaks plain JSON over HTTP: added by settings alone, without a line of code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connectors.rest.client import Rest
from connectors.rest.wire import Settings
from hub.connector import Connector
from hub.manifest import ErrorTable


def connect(settings: Mapping[str, Any], errors: ErrorTable) -> Connector:
    """Connect to the target these settings describe; raises pydantic's ValidationError."""
    return Rest(Settings.model_validate(settings), errors)

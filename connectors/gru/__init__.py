"""Call-backs to a front end: the stage a request has reached, signed as Standard Webhooks say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connectors.gru.client import Gru
from connectors.gru.wire import Settings
from hub.connector import Connector
from hub.manifest import ErrorTable


def connect(settings: Mapping[str, Any], errors: ErrorTable) -> Connector:
    """Connect to the front end these settings describe; raises pydantic's ValidationError."""
    return Gru(Settings.model_validate(settings), errors)

"""HubEE: what the State sends to the city, fetched; where each case stands and its papers, sent back."""

from connectors.hubee.client import Hubee, connect
from connectors.hubee.settings import Settings

__all__ = ["Hubee", "Settings", "connect"]

"""The city's map: creates a complaint's feature and tells the district of a position, by any of three protocols."""

from connectors.sig.client import Sig, connect
from connectors.sig.wire import Settings

__all__ = ["Settings", "Sig", "connect"]

"""The clock: takes a delivery when its time has come, and does nothing."""

from connectors.horloge.client import Horloge, connect

__all__ = ["Horloge", "connect"]

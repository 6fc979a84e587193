"""Lutèce: the stage a request has reached, told to the notification store of a citizens' portal (v3)."""

from connectors.lutece.client import Lutece, connect
from connectors.lutece.wire import Settings

__all__ = ["Lutece", "Settings", "connect"]

"""Finds addresses and positions in the national address base (BAN), by any server that speaks addok."""

from connectors.adresse.client import Adresse, Settings, connect

__all__ = ["Adresse", "Settings", "connect"]

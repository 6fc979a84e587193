"""Logitud: civil status, elections, census, appeals, by a declared, hypothetical contract (README.md says how sure)."""

from connectors.logitud.client import Logitud, Settings, connect

__all__ = ["Logitud", "Settings", "connect"]

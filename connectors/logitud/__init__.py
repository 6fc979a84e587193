"""Logitud: civil status, elections, census, appeals, by a declared, hypothetical contract (README.md says how sure)."""

from connectors.logitud.client import Logitud, Settings, connect
from connectors.logitud.rehearsal import rehearse

__all__ = ["Logitud", "Settings", "connect", "rehearse"]

"""E-mail: requests whose back office is a mailbox, and what citizens and departments are told."""

from connectors.courriel.client import Courriel, Settings, connect
from connectors.courriel.rehearsal import rehearse

__all__ = ["Courriel", "Settings", "connect", "rehearse"]

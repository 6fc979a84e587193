"""API Particulier: what the State knows of a family, a pupil or a student, asked by civil identity."""

from connectors.api_particulier.client import ApiParticulier, Settings, connect
from connectors.api_particulier.rehearsal import rehearse

__all__ = ["ApiParticulier", "Settings", "connect", "rehearse"]

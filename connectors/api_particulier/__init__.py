"""API Particulier: what the State knows of a family, a pupil or a student, asked by civil identity."""

from connectors.api_particulier.client import ApiParticulier, Settings, connect

__all__ = ["ApiParticulier", "Settings", "connect"]

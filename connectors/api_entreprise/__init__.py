"""API Entreprise: what the State knows of a company or an association, asked by its number."""

from connectors.api_entreprise.client import ApiEntreprise, Settings, connect
from connectors.api_entreprise.rehearsal import rehearse

__all__ = ["ApiEntreprise", "Settings", "connect", "rehearse"]

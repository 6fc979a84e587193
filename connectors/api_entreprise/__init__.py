"""API Entreprise: what the State knows of a company or an association, asked by its number."""

from connectors.api_entreprise.client import ApiEntreprise, Settings, connect

__all__ = ["ApiEntreprise", "Settings", "connect"]

"""What connectors share: protocols, each failure of a protocol and what it means; no target's own words."""

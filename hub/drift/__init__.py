"""Contract drift: what targets show of their contracts, compared with what the hub goes by, every day."""

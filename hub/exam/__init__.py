"""The exam of connectors."""

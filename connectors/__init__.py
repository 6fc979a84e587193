"""The targets, one folder each: the hub finds them by their `connector.toml`, never by their names."""

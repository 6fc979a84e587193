"""What `hub new` writes: connectors, mappings, kinds and targets that are green from the start."""

"""What proves mappings, routes and connectors' files before they run: by reading, at the extremes, and by example."""

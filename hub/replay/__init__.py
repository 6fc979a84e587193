"""`hub replay`: ten years of a city's requests through a real hub, with what goes wrong in ten years."""

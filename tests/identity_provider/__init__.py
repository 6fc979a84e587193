"""Two identity providers on loopback ports: a real one, and one that does what no real one will."""

SIRET = "21130001500247"
ELSEWHERE = "21060088800015"
"""Two establishments: the city's, and another's."""

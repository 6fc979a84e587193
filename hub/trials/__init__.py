"""What a route makes of a request, tried or stored, and what a changed mapping would: nothing is sent."""

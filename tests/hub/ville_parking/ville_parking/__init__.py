"""What an integrator adds to the hub: a car park's connector, its mapping and its route."""

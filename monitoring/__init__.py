"""What watches the hub: it listens and reads, and the hub never imports it."""

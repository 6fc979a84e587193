"""The core of the hub: it receives, stores and dispatches requests, and speaks no target's protocol."""

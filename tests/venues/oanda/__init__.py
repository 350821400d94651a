"""A simulated OANDA v20: REST and both streams, on loopback. ``python -m tests.venues.oanda --port 8871``; docs/venues.md."""

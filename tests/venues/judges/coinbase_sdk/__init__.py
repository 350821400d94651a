"""Coinbase's own SDK (``coinbase-advanced-py``) as a judge of the simulated venue, in an environment that has nothing of the arena."""

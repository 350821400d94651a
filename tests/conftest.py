"""For every test: property tests try the same examples each time, so that a check of one commit says the same twice.

ARENA_EXPLORE=1 tries new ones at every run, to look for what nobody thought of; what it finds becomes a test of its own. Single examples
have no deadline: a busy machine is not a fault of the code.
"""

import gc
import os

from hypothesis import settings

settings.register_profile("arena", deadline=None, derandomize="ARENA_EXPLORE" not in os.environ)
settings.load_profile("arena")


def pytest_collection_finish() -> None:
    """Take the thousands of collected tests, which live until the end, out of the collector's sight: a fifth of a second less each time it looks."""
    gc.collect()
    gc.freeze()

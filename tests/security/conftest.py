"""What the doors' tests share. Those that start real processes are marked ``system``."""

from tests.arena_gateway.conftest import desk
from tests.brokers.conftest import bus, clock, home, instruments, paper, settings
from tests.bus.conftest import run_dir

__all__ = ["bus", "clock", "desk", "home", "instruments", "paper", "run_dir", "settings"]

"""``python -m arena_gateway``: the gateway, until SIGINT or SIGTERM."""

from arena_gateway.app import main
from runtime.program import run
from runtime.short_turns import take_short_turns

if __name__ == "__main__":
    take_short_turns()
    run("gateway", main)

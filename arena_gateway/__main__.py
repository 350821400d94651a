"""``python -m arena_gateway``: the gateway, until SIGINT or SIGTERM."""

from arena_gateway.app import main
from runtime.program import run

if __name__ == "__main__":
    run("gateway", main)

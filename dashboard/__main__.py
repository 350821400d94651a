"""``python -m dashboard``: the browser's server."""

from dashboard.app import main
from runtime.program import run

if __name__ == "__main__":
    run("dashboard", main)

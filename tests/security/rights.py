"""The rights tables of docs/security.md, read as they stand there: what is written is what is tested."""

import re
from pathlib import Path

PAGE = (Path(__file__).parents[2] / "docs" / "security.md").read_text()
ROUTE = re.compile(r"^\| `(GET|POST|PATCH|DELETE) (\S+)` \| (\w+) \|", re.MULTILINE)
OPERATION = re.compile(r"^\| `([a-z_]+\.[a-z_]+)( [A-Z]+)?` \| (\w+) \| ([\w–]+) \| ([\w–]+) \|", re.MULTILINE)

Routes = dict[tuple[str, str], str]


def routes_of(server: str) -> Routes:
    """``{(method, path): class}`` of the table whose first column is headed by ``server``."""
    table = PAGE.partition(f"| route ({server},")[2].partition("\n\n")[0]
    found = {(method, path): access for method, path, access in ROUTE.findall(table)}
    assert found, f"docs/security.md has no table of the routes of {server}"
    return found


def operations() -> dict[str, tuple[str, str, str]]:
    """``{operation: (who, somebody else's, real money)}``; ``trading_state.set ACTIVE`` is a row of its own."""
    return {name + word: (who, others, real) for name, word, who, others, real in OPERATION.findall(PAGE)}

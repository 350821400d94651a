"""Who may import whom. The arrows of docs/architecture.md, read from the code itself."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# Each room and the rooms it may import; itself is understood.
MAY_IMPORT: dict[str, set[str]] = {
    "trading": set(),
    "runtime": set(),
    "bus": {"trading", "runtime"},
    "brokers": {"trading", "runtime", "bus"},
    "market_data": {"trading", "runtime", "bus"},
    "arena_gateway": {"trading", "runtime", "bus"},
    "dashboard": {"trading", "runtime", "bus"},
    "cli": {"trading", "runtime", "bus", "brokers", "market_data", "arena_gateway", "dashboard"},
}


def imported_roots(source: str) -> set[str]:
    """The first word of every absolute import in ``source``, inside functions too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.partition(".")[0])
        elif isinstance(node, ast.ImportFrom) and node.level > 0:
            found.add("<relative>")
    return found


def files(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_arrows_go_one_way(room: str) -> None:
    """A room imports only the rooms below it."""
    assert files(room), f"{room}/ has no Python file: the test would pass on nothing"
    for path in files(room):
        wrong = (imported_roots(path.read_text()) & set(MAY_IMPORT)) - MAY_IMPORT[room] - {room}
        assert not wrong, f"{path.relative_to(ROOT)} imports {sorted(wrong)}; {room} may import only {sorted(MAY_IMPORT[room])}"


def test_trading_needs_nothing_but_the_standard_library() -> None:
    """Values and rules run anywhere: no package, no socket."""
    for path in files("trading"):
        foreign = imported_roots(path.read_text()) - set(sys.stdlib_module_names) - {"trading"}
        assert not foreign, f"{path.relative_to(ROOT)} imports {sorted(foreign)}"
        assert not imported_roots(path.read_text()) & {"socket", "asyncio", "sqlite3", "threading"}, f"{path.relative_to(ROOT)} does I/O"


def test_the_paper_engine_is_pure() -> None:
    """No clock, no file, no socket: the same quotes and orders always give the same bytes."""
    for path in files("brokers/paper"):
        if path.name == "broker.py":
            continue  # the engine's host: what the event loop may ask of it is handed over under a lock
        impure = imported_roots(path.read_text()) & {"time", "random", "os", "socket", "asyncio", "sqlite3", "threading", "uuid", "zmq"}
        assert not impure, f"{path.relative_to(ROOT)} imports {sorted(impure)}"


def test_tests_are_never_imported_by_the_product() -> None:
    """What ships does not lean on what checks it."""
    for room in MAY_IMPORT:
        for path in files(room):
            assert "tests" not in imported_roots(path.read_text()), path


def test_the_check_sees_a_wrong_arrow() -> None:
    """The reader of imports finds them in every form."""
    assert imported_roots("import a.b, c\nfrom d.e import f\ndef g():\n    import h\n    from . import i") == {"a", "c", "d", "h", "<relative>"}

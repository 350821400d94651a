"""The house itself: locks, versions, the required files, and what must not be in them."""

import re
import subprocess
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
import zmq
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parent.parent
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))

# Floors with their advisories: docs/security.md, "Packages".
VERSION_FLOORS = {"aiohttp": "3.14.3", "PyJWT": "2.13.0", "msgpack": "1.2.1", "supervisor": "4.3.0"}


def tracked_files() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_a_lock_pins_every_package_with_hashes_and_names_no_registry(lock: Path) -> None:
    """What is installed tomorrow is what was tested today, from whatever registry the machine uses."""
    text = lock.read_text()
    assert "://" not in text
    assert "--index" not in text
    entries = re.split(r"\n(?=[A-Za-z0-9])", text.strip())
    for entry in entries:
        assert re.match(r"[A-Za-z0-9._-]+(\[[a-z,]+\])?==", entry), entry.splitlines()[0]
        assert "--hash=sha256:" in entry, entry.splitlines()[0]


def test_every_run_time_dependency_is_locked_and_has_its_reason() -> None:
    """A package without a reason on its line has no place."""
    text = (ROOT / "pyproject.toml").read_text()
    locked = (ROOT / "requirements" / "run.txt").read_text().lower().replace("_", "-")
    for wanted in tomllib.loads(text)["project"]["dependencies"]:
        name = Requirement(wanted).name
        assert re.search(rf"^{re.escape(name.lower())}(\[[a-z,]+\])?==", locked, re.MULTILINE), f"{name} is not in requirements/run.txt: make lock"
        line = next(line for line in text.splitlines() if f'"{wanted}"' in line)
        assert "#" in line or name == "tzdata", f"{name} has no reason"


@pytest.mark.parametrize(("package", "floor"), VERSION_FLOORS.items())
def test_installed_versions_are_above_their_known_holes(package: str, floor: str) -> None:
    """The floors of the advisories hold in the environment that runs."""
    assert Version(version(package)) >= Version(floor)


def test_libzmq_is_above_its_known_holes() -> None:
    assert zmq.zmq_version_info() >= (4, 3, 5)


def test_supervisord_names_the_seven_programs_and_restarts_each_for_ever() -> None:
    """Scripts use these names; a program that ended is always started again."""
    text = (ROOT / "supervisord.conf").read_text()
    programs = re.findall(r"^\[program:(\w+)\]$", text, re.MULTILINE)
    assert programs == ["bus", "oanda", "coinbase", "narrator", "market_data", "gateway", "dashboard"]
    for section in text.split("[program:")[1:]:
        for line in ("autorestart=true", "startretries=1000000", "startsecs=1", "stopwaitsecs=30", "stopasgroup=true", "killasgroup=true"):
            assert line in section, section.splitlines()[0]
    assert not re.search(r"^\[inet_http_server\]", text, re.MULTILINE), "its pages change state on GET"


def test_no_file_names_a_registry_or_a_path_of_somebodys_machine() -> None:
    """Halves, so that this file does not name them either."""
    halves = (("py", "pi.org"), ("python", "hosted"), ("registry.npm", "js"), ("deb.deb", "ian"), ("/wo", "rk/"), ("/ro", "ot/"))
    words = ["".join(pair) for pair in halves]
    for path in tracked_files():
        if path.suffix in {".png", ".gz", ".bin", ".pdf"}:
            continue
        text = path.read_text(errors="ignore")
        for word in words:
            assert word not in text, f"{path.relative_to(ROOT)} names {word}"


def test_the_page_makes_no_markup_from_data() -> None:
    """textContent only: what a venue or a user wrote is shown, never interpreted."""
    sinks = re.compile("|".join(("inner" + "HTML", "outer" + "HTML", "insertAdjacent" + "HTML", "document" + r"\.write", "dangerously" + "SetInner")))
    pages = [path for path in tracked_files() if path.is_relative_to(ROOT / "dashboard") and path.suffix in {".ts", ".tsx", ".js", ".html", ".py"}]
    for path in pages:
        assert not sinks.search(path.read_text()), path.relative_to(ROOT)

"""A judge's own environment: a venv with what its lock names and nothing of the arena."""

import hashlib
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
# Under the arena's own venv, which git ignores and `make clean` removes.
ENVIRONMENTS = ROOT / ".venv" / "judges"
INSTALL_S_MAX = 600


def environment(name: str) -> Path:
    """The Python of the judge ``name``, its environment made or renewed when ``requirements/judge-<name>.txt`` has changed.

    Raises:
        subprocess.CalledProcessError: something could not be installed; pip has said what.
    """
    lock = ROOT / "requirements" / f"judge-{name}.txt"
    folder = ENVIRONMENTS / name
    python, stamp = folder / "bin" / "python", folder / ".installed"
    wanted = hashlib.sha256(lock.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != wanted:
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True, timeout=INSTALL_S_MAX)
        pip = [python, "-m", "pip", "--disable-pip-version-check", "--quiet", "install", "--require-hashes", "-r", lock]
        subprocess.run(pip, check=True, timeout=INSTALL_S_MAX)
        stamp.write_text(wanted)  # last: an install that was cut short is done again
    return python

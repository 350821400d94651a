"""Coinbase's SDK judges the simulated Coinbase: once as it is, and once for each fault planted in it.

``python -m tests.venues.judges.coinbase`` runs all of it; ``--no-defects`` leaves the planted faults out, ``--defect NAME`` plants only that one.
The SDK puts https before whatever host it is given, so the simulator gets a certificate made for the run, and the SDK's HTTP library is told to trust
it (REQUESTS_CA_BUNDLE); nothing of the SDK is changed.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.venues.coinbase.auth import ApiKey, make_key
from tests.venues.coinbase.defects import DEFECTS
from tests.venues.coinbase.venue import KEY_NAME
from tests.venues.judges.environment import ROOT, environment
from tests.venues.judges.verdict import Verdict, hear, tell, tell_defects

JUDGE = "coinbase"


def judge(python: Path, defect: str | None = None) -> Verdict:
    """One run of the SDK's checks against a fresh simulator with ``defect`` planted."""
    with TemporaryDirectory(prefix="arena-judge-") as created:
        folder = Path(created)
        keys = [make_key(KEY_NAME), make_key(f"{KEY_NAME}-ed25519", algorithm="EdDSA"), make_key(KEY_NAME)]
        write_keys(folder / "venue.json", keys[:2])
        write_keys(folder / "judge.json", keys)
        with simulator(folder, defect) as host:
            command: list[str | Path] = [python, "-m", "tests.venues.judges.coinbase_sdk", "--host", host, "--keys", folder / "judge.json"]
            # Proxies of this machine have no business on loopback.
            return hear(command, os.environ | {"REQUESTS_CA_BUNDLE": str(folder / "certificate.pem"), "NO_PROXY": "*", "PYTHONWARNINGS": "ignore"})


@contextmanager
def simulator(folder: Path, defect: str | None) -> Iterator[str]:
    """The simulator as a program, with TLS; gives its host and port."""
    command: list[str | Path] = [sys.executable, "-m", "tests.venues.coinbase", "--port", "0", "--keys", folder / "venue.json", "--tls", folder]
    process = subprocess.Popen([*command, *(("--defect", defect) if defect else ())], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        first = process.stdout.readline()  # ends with the process, should it not start
        yield json.loads(first)["COINBASE_BASE_URL"].partition("://")[2]
    finally:
        process.terminate()
        process.wait()


def write_keys(path: Path, keys: list[ApiKey]) -> None:
    path.touch(mode=0o600)
    path.write_text(json.dumps([{"name": key.name, "privateKey": key.secret} for key in keys]))


def run(defects: tuple[str, ...]) -> bool:
    """The SDK's checks, then every defect; True if all was as it should be."""
    python = environment(JUDGE)
    is_green = tell(JUDGE, judge(python))
    return tell_defects({JUDGE: partial(judge, python)}, defects) and is_green


def main() -> None:
    """The whole session; status 1 when a check failed or a defect went by."""
    options = argparse.ArgumentParser(description="Coinbase's own SDK against the simulated Coinbase.")
    options.add_argument("--no-defects", action="store_true", help="only the checks")
    options.add_argument("--defect", choices=sorted(DEFECTS), help="of the defects only this one")
    wanted = options.parse_args()
    defects = () if wanted.no_defects else (wanted.defect,) if wanted.defect else tuple(DEFECTS)
    sys.exit(0 if run(defects) else 1)


if __name__ == "__main__":
    main()

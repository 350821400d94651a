"""``python -m tests.venues.judges``: every judge of every venue; status 1 when one found something, or missed a planted defect."""

import subprocess
import sys

SESSIONS = ("tests.venues.judges.oanda", "tests.venues.judges.coinbase")


def main() -> None:
    """One session after the other, each whatever the one before it said."""
    codes = [subprocess.run([sys.executable, "-m", session, *sys.argv[1:]], check=False).returncode for session in SESSIONS]
    sys.exit(max(codes))


if __name__ == "__main__":
    main()

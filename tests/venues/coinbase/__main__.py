"""``python -m tests.venues.coinbase --port 8802 --keys key.json``: the simulated venue as a program, for any client that speaks Coinbase.

The key file is the one Coinbase hands out (``{"name", "privateKey"}``); where there is none at that path, one is made.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.venues.coinbase.auth import load_keys, make_key
from tests.venues.coinbase.certificates import write_certificate
from tests.venues.coinbase.defects import DEFECTS, plant
from tests.venues.coinbase.venue import KEY_NAME, CoinbaseVenue
from tests.venues.common.clock import VenueClock
from tests.venues.common.faults import FaultScript
from tests.venues.common.server import parser, run

PORT = 8802


def write_private(path: Path, text: str) -> None:
    """A file for its owner alone."""
    path.touch(mode=0o600)
    path.write_text(text)


def main() -> None:
    """Read the options and serve until a signal."""
    options = parser("coinbase", PORT)
    options.add_argument("--keys", type=Path, help="the API key as JSON, made there if it does not exist; in a folder of its own without")
    options.add_argument("--algorithm", choices=("ES256", "EdDSA"), default="ES256", help="of a key that is made")
    options.add_argument("--tls", type=Path, metavar="FOLDER", help="speak https and wss, with a certificate made in this folder (certificate.pem)")
    options.add_argument("--defect", choices=sorted(DEFECTS), help="plant a fault that a judge must find")
    chosen = options.parse_args()

    with TemporaryDirectory(prefix="arena-coinbase-") as folder:
        keys = chosen.keys or Path(folder) / "key.json"
        if not keys.exists():
            key = make_key(KEY_NAME, algorithm=chosen.algorithm)
            write_private(keys, json.dumps({"name": key.name, "privateKey": key.secret}))
        known = load_keys(keys)
        secret = Path(folder) / "secret.pem"
        write_private(secret, known[0].secret)
        if chosen.tls is not None:
            write_certificate(chosen.tls)

        @asynccontextmanager
        async def open_venue(faults: FaultScript, clock: VenueClock) -> AsyncIterator[CoinbaseVenue]:
            venue = CoinbaseVenue(port=chosen.port, clock=clock, faults=faults, keys=known, tls=chosen.tls)
            venue.secret_file = secret
            if chosen.defect is not None:
                plant(venue, chosen.defect)
            async with venue:
                yield venue

        run(chosen, open_venue)


if __name__ == "__main__":
    main()

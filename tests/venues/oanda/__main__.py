"""``python -m tests.venues.oanda``: a simulated OANDA on loopback. Prints its addresses as one line of JSON, runs until it is told to stop."""

from decimal import Decimal

from tests.venues.common.clock import VenueClock
from tests.venues.common.faults import FaultScript
from tests.venues.common.server import parser, run
from tests.venues.oanda import defects
from tests.venues.oanda.account import AccountConfig
from tests.venues.oanda.venue import REQUESTS_PER_S, TOKEN_DEFAULT, OandaVenue

PORT = 8871


def main() -> None:
    """Read the options and run."""
    options, usual = parser("oanda", PORT), AccountConfig()
    options.add_argument("--stream-port", type=int, help="serve the streams on a port of their own too, as the venue does")
    options.add_argument("--token", default=TOKEN_DEFAULT)
    options.add_argument("--account", default=usual.id, help="SSS-DDD-UUUUUUU-NNN")
    options.add_argument("--balance", type=Decimal, default=usual.balance)
    options.add_argument("--hedging", action="store_true", help="opposite orders open trades of their own")
    options.add_argument("--heartbeat", type=float, default=5.0, help="seconds between heartbeats of a stream")
    options.add_argument("--requests-per-s", type=int, default=REQUESTS_PER_S, help="0 is no limit")
    options.add_argument("--defect", choices=sorted(defects.DEFECTS), help="plant a defect, for the judges to find")
    wanted = options.parse_args()
    config = AccountConfig(id=wanted.account, balance=wanted.balance, hedging=wanted.hedging)

    def open_venue(faults: FaultScript, clock: VenueClock) -> OandaVenue:
        venue = OandaVenue(
            config=config,
            clock=clock,
            faults=faults,
            token=wanted.token,
            port=wanted.port,
            stream_port=wanted.stream_port,
            heartbeat_s=wanted.heartbeat,
            requests_per_s=wanted.requests_per_s or None,
        )
        if wanted.defect:
            defects.plant(venue, wanted.defect)
        return venue

    run(wanted, open_venue)


if __name__ == "__main__":
    main()

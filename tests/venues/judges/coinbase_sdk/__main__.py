"""Runs the checks and says how each went, a line each; ends with status 1 when one failed.

The SDK speaks only https: REQUESTS_CA_BUNDLE names the certificate that the simulator made for this run.
"""

import argparse
import json
import logging
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

import requests
from coinbase.rest import RESTClient

from tests.venues.judges.coinbase_sdk import brackets, placing, reading, refusals, streams, trading
from tests.venues.judges.coinbase_sdk.desk import BTC, CHECKS, WAIT_S_MAX, Check, Desk

# The checks they hold run in this order.
CHAPTERS = (reading, placing, refusals, trading, brackets, streams)


def in_order() -> Iterator[tuple[str, Check]]:
    """Every check, chapter by chapter."""
    for chapter in CHAPTERS:
        yield from ((name, run) for name, run in CHECKS.items() if run.__module__ == chapter.__name__)


def reset(desk: Desk) -> None:
    """Before each check: no fault, the first manners, an open market at 60000 by 60010, no open order, money."""
    desk.control("faults", {"clear": True})
    fresh = {"can_trade": True, "page_max": 1000, "cancel_delay_s": 0, "brackets_supported": True}
    balances = {"USD": "100000", "BTC": "0"}
    desk.control("state", {"options": fresh, "products": {BTC: {"trading_disabled": False}}})
    live = [each["order_id"] for each in desk.control("state")["orders"] if each["status"] in {"OPEN", "PENDING", "CANCEL_QUEUED"}]
    if live:
        desk.rest.cancel_orders(live)
    desk.control("state", {"balances": balances})
    desk.quote("60000.00", "60010.00")


def main() -> None:
    """Run every check, or those named, and say how each went."""
    options = argparse.ArgumentParser()
    options.add_argument("--host", required=True, help="host and port of the simulator")
    options.add_argument("--keys", required=True, type=Path, help="three keys: ES256, EdDSA, and one with the first one's name and another secret")
    options.add_argument("names", nargs="*", help="only checks with one of these words in their name")
    wanted = options.parse_args()
    logging.disable(logging.CRITICAL)  # the SDK writes every error it raises besides
    keys = json.loads(wanted.keys.read_text())
    rest = RESTClient(api_key=keys[0]["name"], api_secret=keys[0]["privateKey"], base_url=wanted.host, timeout=WAIT_S_MAX)
    desk = Desk(rest=rest, control_session=requests.Session(), host=wanted.host, keys=keys)
    failed = 0
    for name, run in in_order():
        if wanted.names and not any(word in name for word in wanted.names):
            continue
        try:
            reset(desk)
            run(desk)
        except Exception as error:
            failed += 1
            where = traceback.extract_tb(error.__traceback__)[-1]
            print(f"FAIL  {name}: {type(error).__name__}: {error} (line {where.lineno})".replace("\n", " "), flush=True)
        else:
            print(f"ok    {name}", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()

"""``bus.Subscriber`` as a tool on another machine runs it, inside a network namespace; prints one JSON line an event. Run as a program of its own.

It has a key of its own and no file of the arena: what it missed it asks the gateway for.
"""

import json
import sys

from bus import Subscriber


def main(address: str, gateway: str, keys: str) -> None:
    subscriber = Subscriber(address, gateway=gateway, keys=keys, cursor="")  # from the first event on, however late the connection stands
    say({"connected": 200})
    for event in subscriber:
        name = event.type if event.type in {"gap", "reset"} else None
        data = {"source": event.source, "epoch": event.epoch, "seq": event.seq, "type": event.type, "payload": event.payload}
        say({"event": name, "data": data})


def say(value: object) -> None:
    sys.stdout.write(json.dumps(value, default=float) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])

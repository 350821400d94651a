"""Who may connect: libzmq asks before a CURVE connection stands, and this answers from the lists of ``bus.curve`` (ZAP, RFC 27).

The lists are read at each connection, so a key that was taken off lets nobody in from then on; connections that stand are ended by restarting the
bus, which loses nothing (``arena keys remove`` does). Only CURVE is ever let in: a peer that offers anything else is refused before it is asked.

Source: rfc.zeromq.org/spec/27 (ZAP 1.0): [version, request id, domain, address, routing id, mechanism, credentials…], all frames of one request.
"""

import logging
import threading
from collections.abc import Mapping, Sequence

import zmq
from zmq.utils import z85

from bus.curve import KeyRing, List
from bus.draining import Complaints

ADDRESS = "inproc://zeromq.zap.01"
VERSION = b"1.0"
PUBLIC_KEY_BYTES = 32
# One domain for each side of the proxy, so that a key of one list never opens the other side.
DOMAINS: Mapping[bytes, List] = {b"arena.subscribers": "subscribers", b"arena.publishers": "publishers"}

log = logging.getLogger(__name__)


def decide(frames: Sequence[bytes], ring: KeyRing) -> tuple[bytes, str, str]:
    """``(status code, reason, client's name)`` for one request; the frames after the envelope. Whatever is not exactly right is refused."""
    if len(frames) != 7 or frames[0] != VERSION:
        return b"400", "not ZAP 1.0 with one credential", ""
    _, _, domain, _, _, mechanism, key = frames
    which = DOMAINS.get(domain)
    if which is None or mechanism != b"CURVE" or len(key) != PUBLIC_KEY_BYTES:
        return b"400", "CURVE only", ""
    public = z85.encode(key).decode()
    for name, known in ring.clients(which).items():
        if known == public:
            return b"200", "OK", name
    return b"400", f"not on the list of {which}", ""


class ZapHandler:
    """Answers for one context; a thread of its own that ends with the context. Start it before a CURVE socket is bound.

    Args:
        context: the proxy's.
    """

    def __init__(self, context: "zmq.Context[zmq.Socket[bytes]]", ring: KeyRing) -> None:
        self._ring = ring
        self._refused = Complaints("a connection to the bus was refused")
        self._socket = context.socket(zmq.REP)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.bind(ADDRESS)
        self._thread = threading.Thread(target=self._serve, name="bus-zap")
        self._thread.start()

    def join(self) -> None:
        """Wait for the thread, after the context was told to end."""
        self._thread.join()

    def _serve(self) -> None:
        try:
            while True:
                frames = self._socket.recv_multipart()
                try:
                    code, reason, name = decide(frames, self._ring)
                except Exception:  # an unreadable list lets nobody in, and the next one is asked about all the same
                    log.exception("a connection could not be judged")
                    code, reason, name = b"500", "not now", ""
                if code == b"200":
                    log.info("a client connected to the bus", extra={"client": name, "list": frames[2].decode(), "address": _text(frames[3])})
                else:
                    self._refused.add(f"{reason}, from {_text(frames[3]) if len(frames) > 3 else '?'}")
                request_id = frames[1] if len(frames) > 1 else b""
                self._socket.send_multipart([VERSION, request_id, code, reason.encode(), name.encode(), b""])
        except zmq.ContextTerminated:
            pass
        finally:
            self._socket.close()


def _text(address: bytes) -> str:
    return address.decode("ascii", "replace")[:64]

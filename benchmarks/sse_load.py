"""Readers of a stream that only count: ``python -m benchmarks.sse_load PORT CLIENTS PATH``.

Prints ``ready`` when everybody has been welcomed, reads until its standard input says so, and prints how many bytes came since then.
"""

import json
import os
import select
import socket
import sys

BUFFER = bytearray(1 << 20)
COMPANY = 200


def connected(port: int, path: str) -> socket.socket:
    reader = socket.create_connection(("127.0.0.1", port))
    reader.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: text/event-stream\r\n\r\n".encode())
    return reader


def welcome(reader: socket.socket) -> None:
    """Read what a stream begins with."""
    head = b""
    while b"event: ready" not in head:
        if not (more := reader.recv(65536)):
            raise RuntimeError(f"refused: {head[:200]!r}")
        head += more
    reader.setblocking(False)


def main(port: int, clients: int, path: str) -> None:
    readers: dict[int, socket.socket] = {}
    poll = select.epoll()
    while len(readers) < clients:
        # In companies: a server bounds the connections that have not become streams yet.
        for reader in [connected(port, path) for _ in range(min(COMPANY, clients - len(readers)))]:
            welcome(reader)
            readers[reader.fileno()] = reader
            poll.register(reader, select.EPOLLIN)
    poll.register(0, select.EPOLLIN)
    print("ready", flush=True)
    total = 0
    while True:
        for number, _ in poll.poll():
            if number == 0:
                os.read(0, 100)
                print(json.dumps({"bytes": total}), flush=True)
                return
            got = readers[number].recv_into(BUFFER)
            total += got
            if not got:
                poll.unregister(number)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])

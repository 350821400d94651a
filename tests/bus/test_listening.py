"""Listening: every body is handed on while it is open; what is no message is counted, and the next one comes all the same."""

import asyncio

import zmq

from bus.codec import MalformedMessage
from bus.listening import Listening

WAIT_S = 30.0


async def test_what_cannot_be_read_is_counted_and_the_next_one_comes() -> None:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context.instance()
    came: list[bytes] = []

    def take(body: bytes) -> None:
        if body == b"rubbish":
            raise MalformedMessage("rubbish")
        came.append(body)

    with context.socket(zmq.XPUB) as publisher:
        publisher.bind("inproc://listening")
        async with Listening("inproc://listening", [b"a."], take, complaint="malformed") as listening:
            async with asyncio.timeout(WAIT_S):
                while not publisher.poll(0):
                    await asyncio.sleep(0.001)
                assert publisher.recv() == b"\x01a."
                for frames in ([b"a.", b"rubbish"], [b"a."], [b"a.", b"1"], [b"b.", b"other"], [b"a.", b"2"]):
                    publisher.send_multipart(frames)
                while len(came) < 2:
                    await asyncio.sleep(0.001)
            assert came == [b"1", b"2"]
            assert listening.malformed.count == 2
        publisher.send_multipart([b"a.", b"3"])
        assert came == [b"1", b"2"]

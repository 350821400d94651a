"""A reader of event streams for tests: what a browser does with the bytes, and nothing more."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp


@dataclass
class SseFrame:
    name: str | None = None
    id: str | None = None
    retry: str | None = None
    data: Any = None
    raw: list[str] = field(default_factory=list)

    @property
    def event(self) -> tuple[str, int]:
        return (self.data["source"], self.data["seq"])


class SseReader:
    """Frames of one stream. ``last_id`` is what a browser would send back as Last-Event-ID."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response
        self.last_id = ""
        self.comments = 0

    async def next(self, timeout_s: float = 30) -> SseFrame:
        """The next frame; raises EOFError when the stream ends."""
        frame = SseFrame()
        async with asyncio.timeout(timeout_s):
            while True:
                line = await self.response.content.readline()
                if not line:
                    raise EOFError
                assert line.endswith(b"\n")
                assert b"\r" not in line
                text = line[:-1].decode("ascii")
                if not text:
                    if not frame.raw:
                        continue  # behind a comment
                    return frame
                if text.startswith(":"):
                    self.comments += 1
                    continue
                frame.raw.append(text)
                name, _, value = text.partition(": ")
                match name:
                    case "id":
                        frame.id = self.last_id = value
                    case "event":
                        frame.name = value
                    case "retry":
                        frame.retry = value
                    case "data":
                        assert frame.data is None, "one data line a frame"
                        frame.data = json.loads(value)
                    case _:
                        raise AssertionError(f"no line of a frame: {text}")

    async def until_ready(self) -> tuple[list[SseFrame], SseFrame]:
        """What came before ``ready``, and ``ready``."""
        before = []
        while (frame := await self.next()).name != "ready":
            before.append(frame)
        return before, frame

    async def events(self, count: int) -> list[SseFrame]:
        """The next ``count`` journalled events."""
        found: list[SseFrame] = []
        while len(found) < count:
            frame = await self.next()
            if frame.name is None and frame.data is not None and "seq" in frame.data:
                found.append(frame)
        return found


@asynccontextmanager
async def open_reader(
    url: str, *, last_event_id: str | None = None, headers: Mapping[str, str] | None = None, **query: object
) -> AsyncIterator[SseReader]:
    sent = dict(headers or {}) | ({"Last-Event-ID": last_event_id} if last_event_id is not None else {})
    async with (
        aiohttp.ClientSession() as session,
        session.get(url, headers=sent, params={key: str(value) for key, value in query.items()}) as response,
    ):
        yield SseReader(response)


def places(frames: list[SseFrame]) -> list[tuple[str, int]]:
    """Source and number of every event among ``frames``."""
    return [frame.event for frame in frames if frame.name is None and "seq" in frame.data]

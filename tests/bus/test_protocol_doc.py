"""docs/protocol.md: its programs run as printed, by somebody who has nothing of ours but the sockets."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from bus.deadline import DEADLINE_OPS
from bus.proxy import Proxy
from bus.publisher import Publisher
from bus.replay import ReplayServer
from bus.requests import Request, RequestServer
from bus.topics import event_topic
from tests.bus.journals import all_events, open_journal, place
from trading.errors import KINDS

TEXT = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text()
LISTENER, ASKER = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


def start(program: str, home: Path) -> "subprocess.Popen[str]":
    # -I: the arena's own packages cannot be imported.
    environment = {**os.environ, "ARENA_HOME": str(home)}
    return subprocess.Popen([sys.executable, "-I", "-c", program], env=environment, stdout=subprocess.PIPE, text=True)


async def test_the_asking_program_places_an_order(run_dir: Path) -> None:
    seen: list[Request] = []

    async def handle(request: Request) -> Mapping[str, object]:
        seen.append(request)
        return {"result": {"status": "PENDING"}}

    async with RequestServer(f"ipc://{run_dir}/oanda-orders.sock", handle, name="orders"):
        with start(ASKER, run_dir.parent) as program:
            out, _ = await asyncio.to_thread(program.communicate, timeout=30)
    assert "PENDING" in out
    assert (seen[0].op, seen[0].args["client_order_id"]) == ("order.place", "mine-1")


async def test_the_listening_program_prints_everything_once_in_order_though_the_bus_loses_half(run_dir: Path, proxy: Proxy) -> None:
    with Publisher(f"ipc://{run_dir}/bus-pub.sock") as publisher:

        def publish_some(events: list) -> None:  # type: ignore[type-arg]
            for event in events:
                if event.seq % 2:
                    publisher.publish(event_topic(event.source, event.type), event.body)

        async with await open_journal(run_dir, on_events=publish_some) as journal:
            await journal.run(place("early"))
            async with ReplayServer(f"ipc://{run_dir}/oanda-replay.sock", journal):
                with start(LISTENER, run_dir.parent) as program:
                    assert program.stdout is not None
                    lines: list[str] = []
                    number = 0
                    async with asyncio.timeout(30):
                        while number < 60 or len(lines) < journal.last_seq + 1:
                            if number < 60 or journal.last_seq % 2 == 0:
                                await journal.run(place(str(number)))
                                number += 1
                            lines.append((await asyncio.to_thread(program.stdout.readline)).rstrip())
                    program.kill()
                events = await all_events(journal)
    assert lines[0] == f"reset to epoch {journal.epoch}"
    assert lines[1:] == [f"{event.seq} {event.type} {event.payload}" for event in events][: len(lines) - 1]
    assert len(lines) > 60


def test_every_kind_of_error_and_every_command_is_described() -> None:
    for name in KINDS:
        assert f"| `{name}` |" in TEXT
    section = TEXT[TEXT.index("## 6. Deadlines") :]
    for op in DEADLINE_OPS:
        assert op in section[:200]


def test_every_code_of_the_transport_is_described() -> None:
    """What the bus itself answers with, read from its source."""
    bus = Path(__file__).parents[2] / "bus"
    sources = "".join((bus / f"{name}.py").read_text() for name in ("request_messages", "request_server", "replay", "journal", "group", "deadline"))
    codes = set(re.findall(r'code="([A-Z_]+)"', sources)) | {
        "ADAPTER_BUSY",
        "REPLY_TOO_LARGE",
        "INTERNAL",
        "STORE_LOW",
        "DEADLINE_REQUIRED",
        "EXPIRED",
    }
    # The reader's own, which never travel, and the refusals of arguments that are described where the arguments are.
    for code in codes - {"OWNER_SLOW", "BAD_PAGE", "INVALID_FIELD", "UNREADABLE_REPLY"}:
        assert f"`{code}`" in TEXT, code

"""bus/replay.py: any reader with a socket gets the journal page by page, and nobody's healing holds up anything."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgpack
import pytest
import zmq
import zmq.asyncio

from bus.codec import pack
from bus.envelope import decode_event
from bus.journal import Journal
from bus.replay import ReplayClient, ReplayServer
from bus.tail import Page
from tests.bus.journals import all_events, check_chain, open_journal, place
from trading.errors import InvalidRequest, Unavailable


@pytest.fixture
async def journal(run_dir: Path) -> AsyncIterator[Journal]:
    async with await open_journal(run_dir) as opened:
        await opened.run(lambda txn: [txn.append("order_filled", {"n": n}) for n in range(2, 1201)])
        yield opened


@pytest.fixture
def address(run_dir: Path) -> str:
    return f"ipc://{run_dir}/replay.sock"


@pytest.fixture
async def client(journal: Journal, address: str) -> AsyncIterator[ReplayClient]:
    async with ReplayServer(address, journal), ReplayClient(address) as connected:
        assert await connected.wait_connected(30)
        yield connected


async def read_all(client: ReplayClient) -> list[bytes]:
    bodies: list[bytes] = []
    while True:
        page = await client.fetch(None, len(bodies))
        if not page.events:
            return bodies
        bodies += page.events


async def test_the_whole_journal_comes_in_pages_of_the_same_bytes(client: ReplayClient, journal: Journal) -> None:
    bodies = await read_all(client)
    events = await all_events(journal)
    assert bodies == [event.body for event in events]
    check_chain([decode_event(body) for body in bodies])


async def test_a_page_says_where_the_source_stands(client: ReplayClient, journal: Journal) -> None:
    page = await client.fetch(journal.epoch, 0)
    assert (page.epoch, page.first_seq, page.last_seq, len(page.events)) == (journal.epoch, 1, 1200, 500)
    assert (await client.fetch("f" * 16, 5)) == Page(epoch=journal.epoch, first_seq=1, last_seq=1200, events=[])
    assert (await client.fetch(None, 5000)) == Page(epoch=journal.epoch, first_seq=1, last_seq=1200, events=[])
    assert [decode_event(body).seq for body in (await client.fetch(None, -3)).events] == [1198, 1199, 1200]


async def test_fifty_readers_heal_at_once_while_orders_are_placed(client: ReplayClient, journal: Journal) -> None:
    async with asyncio.TaskGroup() as tasks:
        readers = [tasks.create_task(read_all(client)) for _ in range(50)]
        for number in range(20):
            await journal.run(place(str(number)))
    last = await read_all(client)
    assert len(last) == 1220
    assert all(reader.result() == last[: len(reader.result())] and len(reader.result()) >= 1200 for reader in readers)


@pytest.mark.parametrize(
    ("args", "code"),
    [
        ({}, "INVALID_FIELD"),
        ({"epoch": None, "after": None}, "INVALID_FIELD"),
        ({"epoch": None, "after": True}, "INVALID_FIELD"),
        ({"epoch": None, "after": 1.0}, "INVALID_FIELD"),
        ({"epoch": None, "after": 2**63 - 1}, "INVALID_FIELD"),
        ({"epoch": "F" * 16, "after": 0}, "INVALID_FIELD"),
        ({"epoch": 5, "after": 0}, "INVALID_FIELD"),
        ({"epoch": None, "after": 0, "limit": 0}, "INVALID_FIELD"),
        ({"epoch": None, "after": 0, "limit": "5"}, "INVALID_FIELD"),
        ({"epoch": None, "after": 0, "from": 0}, "UNKNOWN_FIELD"),
    ],
    ids=str,
)
async def test_arguments_that_make_no_sense_are_refused(client: ReplayClient, address: str, args: dict[str, object], code: str) -> None:
    with zmq.asyncio.Context() as context, context.socket(zmq.REQ) as socket:
        socket.connect(address)
        await socket.send(pack({"v": 1, "id": "1", "op": "events.since", "args": args}))
        reply = msgpack.unpackb(await socket.recv())
    assert (reply["ok"], reply["error"]["kind"], reply["error"]["code"]) == (False, "InvalidRequest", code)


async def test_another_operation_or_an_array_is_refused_here(client: ReplayClient, address: str) -> None:
    question = {"v": 1, "id": "1", "op": "order.get", "args": {}}
    with zmq.asyncio.Context() as context, context.socket(zmq.REQ) as socket:
        socket.connect(address)
        for message, code in ((question, "UNKNOWN_OP"), ([question, question], "MALFORMED")):
            await socket.send(pack(message))
            assert msgpack.unpackb(await socket.recv())["error"]["code"] == code


async def test_an_owner_that_is_not_there_is_unavailable_at_once(address: str) -> None:
    async with ReplayClient(address) as client, asyncio.timeout(30):
        with pytest.raises(Unavailable) as down:
            await client.fetch(None, 0)
        assert down.value.code == "ADAPTER_DOWN"


async def test_an_owner_that_does_not_answer_is_unavailable_and_never_unknown(run_dir: Path) -> None:
    """Reading changes nothing, so there is nothing to look up: ask again."""

    released = asyncio.Event()

    class Slow:
        async def events_since(self, epoch: str | None, after: int, limit: int) -> Page:
            await released.wait()
            return Page(epoch="a" * 16, first_seq=1, last_seq=1, events=[])

    address = f"ipc://{run_dir}/r.sock"
    async with ReplayServer(address, Slow()), ReplayClient(address) as client:
        assert await client.wait_connected(30)
        with pytest.raises(Unavailable) as slow:
            await client.fetch(None, 0, timeout_s=0.05)
        assert slow.value.code == "OWNER_SLOW"
        released.set()
        assert (await client.fetch(None, 0)).last_seq == 1


@pytest.mark.parametrize(
    "result",
    [
        None,
        {},
        {"epoch": "a" * 16, "first_seq": 1, "last_seq": "9", "events": []},
        {"epoch": "A" * 16, "first_seq": 1, "last_seq": 9, "events": []},
        {"epoch": "a" * 16, "first_seq": 1, "last_seq": 9, "events": ["text"]},
        {"epoch": "a" * 16, "first_seq": 1, "last_seq": 9, "events": None},
    ],
    ids=str,
)
async def test_an_answer_that_is_no_page_is_unavailable(run_dir: Path, result: object) -> None:
    with zmq.asyncio.Context() as context, context.socket(zmq.ROUTER) as router:
        router.bind(f"ipc://{run_dir}/r.sock")
        async with ReplayClient(f"ipc://{run_dir}/r.sock") as client:
            assert await client.wait_connected(30)
            fetch = asyncio.create_task(client.fetch(None, 0, timeout_s=30))
            peer, empty, body = await router.recv_multipart()
            await router.send_multipart([peer, empty, pack({"v": 1, "id": msgpack.unpackb(body)["id"], "ok": True, "result": result})])
            with pytest.raises(Unavailable) as bad:
                await fetch
            assert bad.value.code == "BAD_PAGE"


async def test_a_caller_cannot_ask_for_nonsense(client: ReplayClient) -> None:
    with pytest.raises(InvalidRequest):
        await client.fetch("not an epoch", 0)

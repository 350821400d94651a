"""The disk under the arena: full, cut off from power, and an old copy put back. What was acknowledged stands; what is gone is said."""

import asyncio
import contextlib
import errno
import itertools
import json
import os
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.system.accounting.checker import findings, summary
from tests.system.accounting.collect import Run, read_journal
from tests.system.accounting.evidence import Notice, Shown
from tests.system.faults import sick_disk
from tests.system.stack import Stack

SEED = int(os.environ.get("ARENA_CHAOS_SEED", "1"))
CUTS = 3 if float(os.environ.get("ARENA_CHAOS_SECONDS", "0")) < 120 else 20
ADAPTERS = ("oanda", "coinbase")


def needs_root(*programs: str) -> pytest.MarkDecorator:
    missing = [program for program in programs if shutil.which(program, path=f"{os.environ.get('PATH', '')}:/sbin:/usr/sbin") is None]
    reason = "needs root" if os.geteuid() else f"needs {', '.join(missing)}"
    return pytest.mark.skipif(bool(os.geteuid() or missing), reason=reason)


async def call(*command: str) -> None:
    """Run ``command`` and raise with what it said when it fails."""
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    said, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)}: {said.decode()}")


@contextlib.asynccontextmanager
async def mounted(*arguments: str) -> AsyncIterator[Path]:
    """``mount arguments <directory>`` with a private directory below it; unmounted at the end, whatever still looks into it."""
    stack = Stack()
    point = stack.home / "data"
    point.mkdir(mode=0o700)
    try:
        await call("mount", *arguments, str(point))
        point.chmod(0o700)
        yield stack.home
    finally:
        await call("umount", "--lazy", str(point))
        shutil.rmtree(stack.home, ignore_errors=True)


@needs_root("mount")
async def test_a_full_disk_refuses_orders_and_goes_on_when_there_is_room() -> None:
    """The store's filesystem filled to the last byte under load, twice, and freed: no program ends, nothing acknowledged is lost."""
    async with mounted("-t", "tmpfs", "-o", "size=64m,mode=0700", "none") as home:
        # No margin, so that SQLite itself runs into the end of the disk and not our own check before it.
        async with Stack({"ARENA_STORE__FREE_MB_MIN": "0"}, home=home) as stack, Run(stack, seed=SEED) as run:
            await stack.until(lambda: run.acknowledged >= 50, "the first orders")
            pids = [stack.pid(source) for source in ADAPTERS]
            for _ in range(2):
                fill(home / "data" / "filler")
                refused = run.refused("STORE_LOW")
                await stack.until(lambda refused=refused: run.refused("STORE_LOW") >= refused + 20, "orders to be refused on the full disk")
                (home / "data" / "filler").unlink()
                count = run.acknowledged
                await stack.until(lambda count=count: run.acknowledged >= count + 50, "orders to be taken again", seconds=15)
            evidence = await run.finish()
            assert [stack.pid(source) for source in ADAPTERS] == pids, "an adapter ended because the disk was full"
        found = findings(evidence)
        print(summary("full disk", SEED, evidence, found))
        assert not any(found.values()), {kind: listed[:5] for kind, listed in found.items() if listed}


def fill(path: Path) -> None:
    """Write until the filesystem has no room for one more block."""
    with path.open("wb", buffering=0) as file:
        for size in (1 << 20, 4096):
            with contextlib.suppress(OSError):
                while True:
                    if file.write(b"\1" * size) < size:
                        raise OSError(errno.ENOSPC, "full")


@needs_root("mkfs.ext4", "losetup", "mount")
async def test_a_power_cut_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    """The block image under the stores is copied while orders flow, again and again; each copy, mounted, holds what had been acknowledged by then."""
    image = tmp_path / "disk.img"
    image.touch()
    os.truncate(image, 96 << 20)
    await call("mkfs.ext4", "-q", "-F", str(image))
    copies: list[tuple[Path, set[str]]] = []
    async with mounted("-o", "loop", str(image)) as home:
        async with Stack({"ARENA_STORE__FREE_MB_MIN": "0"}, home=home) as stack, Run(stack, seed=SEED) as run:
            for number in range(CUTS):
                count = run.acknowledged
                await stack.until(lambda count=count: run.acknowledged >= count + 60, "orders between two cuts")
                told = set(run.acknowledged_ids)
                copy = tmp_path / f"cut-{number}.img"
                # What the device holds now, and nothing of what the filesystem above it still keeps: as after pulling the plug. The writers stand
                # still while it is copied, as they would without power.
                pids = [stack.kill(program, signal.SIGSTOP) for program in (*ADAPTERS, "narrator", "gateway")]
                await call("cp", "--sparse=always", str(image), str(copy))
                for pid in pids:
                    os.kill(pid, signal.SIGCONT)
                copies.append((copy, told))
            evidence = await run.finish()
        found = findings(evidence)
        print(summary("power cut, the arena itself", SEED, evidence, found))
        assert not any(found.values()), {kind: listed[:5] for kind, listed in found.items() if listed}
    lost = 0
    for copy, told in copies:
        point = tmp_path / "cut"
        point.mkdir(exist_ok=True)
        await call("mount", "-o", "loop", str(copy), str(point))
        try:
            missing = told - {order for source in ADAPTERS for order in orders_in(point / f"{source}.db")}
        finally:
            await call("umount", str(point))
        lost += len(missing)
    print(json.dumps({"check": "power cut", "seed": SEED, "cuts": len(copies), "acked": len(copies[-1][1]), "lost": lost, "pass": not lost}))
    assert not lost


def orders_in(database: Path) -> set[str]:
    """The ids of the orders that SQLite finds, recovering from the log as a restart would."""
    with contextlib.closing(sqlite3.connect(database)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return {f"paper-{database.stem}-{n}" for (n,) in connection.execute("SELECT n FROM orders")}


async def test_an_old_copy_put_back_begins_a_new_epoch_and_everybody_is_told() -> None:
    """A database copied, orders after it, the copy put back by hand: no number means two things, watchers are told, ids are not used again."""
    async with Stack() as stack:
        async with Run(stack, seed=SEED) as run:
            await stack.until(lambda: run.acknowledged >= 50, "orders before the copy")
            old = [event.epoch for event in await read_journal(stack, "oanda")][-1]
            stack.supervisor("stopProcess", "oanda")
            kept = {path.name: path.read_bytes() for path in (stack.home / "data").glob("oanda.db*")}
            stack.supervisor("startProcess", "oanda")
            count = run.acknowledged
            await stack.until(lambda: run.acknowledged >= count + 50, "orders after the copy")
            stack.supervisor("stopProcess", "oanda")
            before, asked_before = run.acknowledged_ids, {sent.client_order_id for sent in run.sent}
            for path in (stack.home / "data").glob("oanda.db*"):
                path.unlink()
            for name, content in kept.items():
                (stack.home / "data" / name).write_bytes(content)
                (stack.home / "data" / name).chmod(0o600)
            stack.supervisor("startProcess", "oanda")
            await stack.ready()
            count = run.acknowledged
            await stack.until(lambda: run.acknowledged >= count + 50, "orders after the copy was put back")
            # An order that was asked for before the copy was put back may be answered after it, and went with the file.
            after = {order_id for sent in run.sent if sent.client_order_id not in asked_before for order_id in sent.acknowledged_ids}
            evidence = await run.finish()
        journal = evidence.journals["oanda"]
        assert journal[0].type == "source_reset"
        assert (journal[0].payload["old_epoch"], journal[0].payload["reason"]) == (old, "rolled_back")
        assert journal[0].epoch != old
        assert not before & {str(event.payload["order_id"]) for event in journal if event.type == "oco_placed"}, "an order id was used twice"
        placed_now = {str(event.payload["order_id"]) for event in journal if event.type == "oco_placed"}
        for sent in evidence.sent:
            # What went with the file nobody knows any more: a repeat that came in afterwards is a new order, under a new id.
            if sent.client_order_id in asked_before and sent.source == "oanda":
                sent.answers[:] = [(status, body) for status, body in sent.answers if status >= 202 or body["order_id"] in placed_now]
        found = findings(evidence)
        # Who was shown the old epoch cannot be checked against it: its end went with the file. What is shown of the new one must hold.
        assert not found["chain"]
        assert not found["dup"]
        assert {item.source for connection in evidence.connections for item in connection.items if isinstance(item, Notice)} >= {"oanda"}
        for connection in evidence.connections:
            epochs = [item.epoch if isinstance(item, Shown) else "told" for item in connection.items if item.source == "oanda"]
            for earlier, later in itertools.pairwise(epochs):
                assert earlier == later or "told" in {earlier, later}, f"{connection.watcher} went into the new epoch without being told"
        assert {order_id for order_id in after if "-oanda-" in order_id} <= placed_now
        print(json.dumps({"check": "old copy", "seed": SEED, "before": len(before), "after": len(after), "new_epoch": True, "pass": True}))


async def test_a_disk_that_hangs_in_an_orders_own_sync_is_told_of_and_the_order_stands_when_it_goes_on(tmp_path: Path) -> None:
    """The adapter's loop waits in that sync and can say nothing; its writer thread beats for it. Everybody hears ``degraded``, not silence."""
    environ = sick_disk(tmp_path)
    if not environ:
        pytest.skip("needs a C compiler")
    hang, hold = Path(environ["SICK_DISK"]), Path(f"{environ['SICK_DISK']}-hold")

    async def component() -> dict[str, object]:
        async with stack.http.get(f"{stack.gateway}/health/ready") as answer:
            listed: dict[str, object] = (await answer.json())["components"]["oanda"]
            return listed

    async def is_told() -> bool:
        said = await component()
        return (said["status"], said["last_seq"]) == ("degraded", None)  # how far the journal has come only the loop would know

    async with Stack(environ) as stack:
        for attempt in range(20):  # where the disk was slow just before, the sync is the thread's, and the loop goes on
            for _ in range(20):
                assert (await stack.place())[0] == 201
            hold.touch()
            hang.write_text("oanda.db hang 1")
            placing = asyncio.create_task(stack.place(client_order_id=f"held-up-{attempt}"))
            with contextlib.suppress(AssertionError):
                await stack.eventually(is_told, "the disk that hangs to be told of", seconds=5)
                break
            hold.unlink()
            assert (await placing)[0] in {201, 202}
        for _ in range(20):  # twice as long as it takes to call a program silent
            assert await is_told()
            await asyncio.sleep(0.3)
        status, answer = await placing
        assert (status, answer["status"]) == (202, "UNKNOWN")
        hold.unlink()

        async def stands() -> bool:
            found = await stack.call("GET", f"{stack.gateway}/brokers/oanda/orders?client_order_id=held-up-{attempt}", token=await stack.token())
            return [order["status"] for order in found[1].get("orders", ())] == ["PENDING"] and (await component())["status"] == "ok"

        await stack.eventually(stands, "the order to stand and the adapter to be well")
        assert (await stack.place())[0] == 201
        events = await read_journal(stack, "oanda")
        assert [event.payload["client_order_id"] for event in events if event.type == "oco_placed"].count(f"held-up-{attempt}") == 1

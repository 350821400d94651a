"""`arena backup` under load and `arena restore`: the copy is whole, holds no secret, and putting it back is told to everybody who had seen more.

What is not exactly a copy is refused: tests/cli/test_backup.py.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

from tests.system.accounting.checker import broken_chains
from tests.system.accounting.collect import Run, read_journal, read_statuses
from tests.system.accounting.evidence import Evidence
from tests.system.stack import Stack
from tests.system.wires import next_event


async def test_backup_under_load_and_restore(tmp_path: Path) -> None:
    """Orders go on during the copy; after the restore every order of the copy stands, in a new epoch, and an old cursor is told so."""
    target = tmp_path / "copy"
    async with Stack() as stack:
        async with Run(stack, seed=1) as run:
            await stack.until(lambda: run.acknowledged >= 50, "orders before the copy")
            before = run.acknowledged_ids
            code, said, complaint = await stack.cli("backup", str(target))
            assert code == 0, said + complaint
            count = run.acknowledged
            await stack.until(lambda: run.acknowledged >= count + 50, "orders after the copy")
            await run.finish()
            after = run.acknowledged_ids
        assert sorted(path.name for path in target.iterdir()) == ["backup.json", "coinbase.db", "oanda.db"]
        assert all(path.stat().st_mode & 0o077 == 0 for path in (target, *target.iterdir()))
        old = (await read_journal(stack, "oanda"))[-1]
        code, _, complaint = await stack.cli("restore", str(target))
        assert code == 1
        assert "Stop the arena" in complaint
        assert (await read_journal(stack, "oanda"))[-1].epoch == old.epoch, "a refused restore changed something"

        await stack.stop()
        code, _, complaint = await stack.cli("backup", str(tmp_path / "stopped"))
        assert code == 0, complaint
        with closing(sqlite3.connect(tmp_path / "stopped" / "oanda.db")) as copy:
            kept = {f"paper-oanda-{n}" for (n,) in copy.execute("SELECT n FROM orders")}
        assert {order_id for order_id in after if "-oanda-" in order_id} <= kept, "an acknowledged order is not in the copy of the stopped arena"
        code, said, complaint = await stack.cli("restore", str(target))
        assert code == 0, complaint
        assert "before-restore-1" in said
        await stack.start()
        journals = {source: await read_journal(stack, source) for source in ("oanda", "coinbase")}
        assert not list(broken_chains(Evidence(sent=[], journals=journals, connections=[], statuses={})))
        first = journals["oanda"][0]
        assert first.type == "source_reset"
        assert (first.payload["reason"], first.payload["old_epoch"]) == ("restored", old.epoch)
        statuses = {**await read_statuses(stack, "oanda"), **await read_statuses(stack, "coinbase")}
        assert before <= set(statuses), "an order that was acknowledged before the copy is not in it"
        cursor = f"oanda@{old.epoch}:{old.seq}"
        async with stack.events(headers={"Last-Event-ID": cursor}) as frames:
            async for frame in frames:
                if frame["event"] == "reset" and frame["data"]["source"] == "oanda":
                    break
                assert frame["event"] != "ready", "the old cursor was taken without a word"
        status, answer = await stack.place()
        assert status == 201, answer
        assert answer["order_id"] not in after, "an order id was used twice"
        async with stack.events() as frames:
            await next_event(frames, lambda event: event["payload"].get("order_id") == answer["order_id"])

"""Rick at work: follow the brokers, comment, commit, publish.

One loop, one batch at a time: what was heard becomes a plan (memory.py), the plan is committed with its comments (store.py), and only then is the
memory moved on and the next batch taken. The bus is told after the commit by the journal itself. A full or busy disk holds the loop up, degraded,
until it can write; nothing is lost by that, because what waits is in the owners' journals.
"""

import asyncio
import logging
from collections.abc import AsyncIterable, Callable, Mapping

from bus.cursor import Cursor
from bus.envelope import Event
from bus.journal import Journal
from bus.notices import Delivery
from bus.publisher import Publisher
from bus.topics import event_topic
from dashboard.narrator.memory import Memory, Plan, hear
from dashboard.narrator.store import commit, load, to_keep
from trading.errors import OutcomeUnknown, Unavailable

SOURCE = "rick"
FOLLOWED = ("coinbase", "oanda")
RETRY_S = 1.0
# After a batch: what comes meanwhile shares the next commit, which costs as much as a dozen comments and is a sync on the disk that the orders wait
# for. A first event after silence is commented on at once.
PAUSE_S = 0.05
# In a flood comments may come a little later: five syncs a second, not twenty.
BUSY_EVENTS = 20
BUSY_PAUSE_S = 0.2
# So many share a commit, a few ten ms of comments. A batch of so many was not all that waited: who pauses after it falls ever further behind.
BATCH_EVENTS = 500

log = logging.getLogger(__name__)


class Narrator:
    """Rick's memory and how it grows. ``open`` it over his journal, then ``run`` it over what is followed."""

    def __init__(self, journal: Journal, memory: Memory) -> None:
        self._journal = journal
        self._memory = memory
        self._kept = memory  # as the store holds it, which is a little behind
        self.narrated = 0
        self.is_held_up = False

    @classmethod
    async def open(cls, journal: Journal) -> "Narrator":
        return cls(journal, await journal.read(load))

    @property
    def cursor(self) -> Cursor:
        """How far each source has been narrated: where following begins after a restart."""
        return Cursor({source: followed.position for source, followed in self._memory.items()})

    async def run(self, batches: AsyncIterable[list[Delivery]]) -> None:
        """Narrate ``batches`` until they end."""
        async for batch in batches:
            await self.hear(batch)
            if len(batch) < BATCH_EVENTS:
                await asyncio.sleep(PAUSE_S if len(batch) < BUSY_EVENTS else BUSY_PAUSE_S)

    async def hear(self, batch: list[Delivery]) -> None:
        """Narrate one batch; returns when it is committed."""
        plan = hear(self._memory, batch)
        self.narrated += await self._commit(plan)
        self._memory, self._kept = plan.memory, to_keep(self._kept, plan)

    async def _commit(self, plan: Plan) -> int:
        work = commit(self._kept, plan)
        while True:
            try:
                written = await self._journal.run(work)
            except (Unavailable, OutcomeUnknown) as error:  # not written, or perhaps; the work may be done twice (store.py)
                if error.code == "STOPPING":
                    raise
                if not self.is_held_up:
                    log.warning("comments cannot be written at present; trying again", extra={"code": error.code})
                self.is_held_up = True
                await asyncio.sleep(RETRY_S)
            else:
                self.is_held_up = False
                return written

    def heartbeat(self) -> Mapping[str, object]:
        """What the heartbeat says."""
        journal = self._journal
        return {
            "epoch": journal.epoch,
            "first_seq": journal.first_seq,
            "last_seq": journal.last_seq,
            "status": "degraded" if self.is_held_up or journal.degraded else "ok",
            "metrics": {
                "arena_last_seq": journal.last_seq,
                "arena_degraded": int(self.is_held_up or journal.degraded is not None),
                "arena_narrations_total": self.narrated,
                **{f"arena_narrated_seq_{source}": followed.seq for source, followed in self._memory.items()},
                **{f"arena_{name}": value for name, value in journal.metrics().items()},
            },
        }


def publish_to(publisher: Publisher) -> Callable[[list[Event]], None]:
    """For the journal's ``on_events``: what was committed goes to the bus, in order."""

    def publish(events: list[Event]) -> None:
        for event in events:
            publisher.publish(event_topic(event.source, event.type), event.body)

    return publish

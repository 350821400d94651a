"""``GET /api/status``: the seven programs as far as they can be seen from here: heartbeat, lag, process, last log lines.

Two sources, each may be missing: the heartbeats on the bus (every program but the bus itself), and supervisord's own view over its socket. A page
asks every few seconds and several pages ask at once, so supervisord is asked at most once a second, and everybody gets the same answer.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from runtime.clock import NS_PER_S, Clock
from runtime.http import Route, json_answer
from runtime.supervisor import ProcessInfo, SupervisorUnreachable, read_processes
from runtime.timestamps import to_text

# Name as supervisord knows it → name in heartbeats. The bus has no state and sends none.
PROGRAMS: Mapping[str, str | None] = {
    "bus": None,
    "market_data": "market_data",
    "oanda": "oanda",
    "coinbase": "coinbase",
    "narrator": "rick",
    "gateway": "gateway",
    "dashboard": "dashboard",
}
REMEMBERED_NS = NS_PER_S
_SAID = ("status", "mode", "trading_state", "instance", "epoch", "first_seq", "last_seq", "metrics")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """The latest heartbeat of one program and how old it is."""

    payload: Mapping[str, object]
    age_ms: int


class StatusApi:
    """Composes the answer.

    Args:
        heard: the latest heartbeats by program.
        seen: how far this dashboard has come in each source: ``{source: (epoch, seq)}``.
        stale_ms: a heartbeat older than this is stale.
    """

    def __init__(
        self,
        *,
        supervisor_socket: Path,
        heard: Callable[[], Mapping[str, Heard]],
        seen: Callable[[], Mapping[str, tuple[str, int]]],
        stale_ms: int,
        clock: Clock,
    ) -> None:
        self._socket = supervisor_socket
        self._heard = heard
        self._seen = seen
        self._stale_ms = stale_ms
        self._clock = clock
        self._asked_ns: int | None = None
        self._known: tuple[str, Mapping[str, ProcessInfo]] = ("absent", {})
        self._asking = asyncio.Lock()

    def routes(self) -> list[Route]:
        return [
            Route(method="GET", path="/api/status", handler=self.get, summary="The programs: heartbeat, lag, process, last log lines", tag="status")
        ]

    async def get(self, _: web.Request) -> web.StreamResponse:
        supervisor, processes = await self._processes()
        heard, seen = self._heard(), self._seen()
        programs = [self._program(name, processes.get(name), heard.get(beats or ""), seen.get(beats or "")) for name, beats in PROGRAMS.items()]
        return json_answer({"ok": True, "ts": to_text(self._clock.wall_ns()), "supervisor": supervisor, "programs": programs})

    async def _processes(self) -> tuple[str, Mapping[str, ProcessInfo]]:
        async with self._asking:
            now_ns = self._clock.boot_ns()
            if self._asked_ns is None or now_ns - self._asked_ns >= REMEMBERED_NS:
                try:
                    found = await asyncio.to_thread(read_processes, self._socket)
                    self._known = ("absent", {}) if found is None else ("up", found)
                except SupervisorUnreachable as error:
                    log.warning("supervisord does not answer", extra={"error": str(error)})
                    self._known = ("unreachable", {})
                self._asked_ns = self._clock.boot_ns()
            return self._known

    def _program(self, name: str, process: ProcessInfo | None, heard: Heard | None, seen: tuple[str, int] | None) -> dict[str, object]:
        return {
            "name": name,
            "state": process.state if process else None,
            "description": process.description if process else "",
            "pid": process.pid if process else None,
            "uptime_s": process.uptime_s if process else None,
            "exit_status": process.exit_status if process else None,
            "heartbeat": self._heartbeat(heard),
            "lag": _lag(heard, seen),
            "log": list(process.log) if process else [],
        }

    def _heartbeat(self, heard: Heard | None) -> dict[str, object] | None:
        if heard is None:
            return None
        return {"age_ms": heard.age_ms, "stale": heard.age_ms > self._stale_ms, **{key: heard.payload.get(key) for key in _SAID}}


def _lag(heard: Heard | None, seen: tuple[str, int] | None) -> int | None:
    """How many events of the source have not come here yet; None without a journal."""
    last_seq = heard.payload.get("last_seq") if heard else None
    if heard is None or not isinstance(last_seq, int):
        return None
    came = seen[1] if seen is not None and seen[0] == heard.payload.get("epoch") else 0
    return max(0, last_seq - came)

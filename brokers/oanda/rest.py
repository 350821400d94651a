"""The REST API of one account: each answer is a yes, a definite no, or a doubt.

    yes          200 or 201 with a JSON object                     returned
    no           400, 401, 403, 404, 405 that say why in JSON      VenueRefused with v20's own code
    not sent     no connection, or its turn came late or never     NotSent
    doubt        429, 5xx, a redirect, a time-out, a cut or        whatever it is: ``OutboundError``, ``Unclear``, ``Malformed``
                 unreadable answer, a no that carries a yes

A request that changes something goes out once. One that only reads is tried again a few times, which takes no sense away from its answer.
Source: oanda-v20 documentation, "Troubleshooting"; status codes of the vendor's file, version 3.0.25.
"""

import asyncio
import contextlib
import json
import logging
import random
from collections.abc import Callable, Mapping
from typing import TypeVar
from urllib.parse import urlencode

from brokers.live.throttle import Priority, Throttle
from brokers.live.venue import NotSent, VenueRefused
from brokers.oanda import wire
from brokers.oanda.pace import ConnectionPace
from brokers.oanda.wire import Json, Malformed
from runtime import outbound
from runtime.clock import NS_PER_S, Clock
from runtime.outbound import Answer, Outbound, OutboundError
from runtime.secret_files import Secret

# Below VenuePolicy.call_s_max, so that a doubt has a name before the call is cancelled.
CHANGE_S_MAX = 7.0
# Before it at most so long for its turn: after a 429 the venue may want half a minute of silence, and what never left must not be looked up for it.
TURN_S_MAX = 4.0
READ_S_MAX = 3.0  # all tries together stay below VenuePolicy.silence_s_max
READ_TRIES = 4
READ_PAUSE_S = 0.1  # before the second try; doubles, with jitter

# A venue may ask for a long rest; longer than this nobody waits without asking again.
PAUSE_S_MAX = 30.0
PAUSE_S = 1.0  # after a 429 that names no time

_YES = frozenset({200, 201})
_NO = frozenset({400, 401, 403, 404, 405})
_TOO_MANY = 429
_CODE_CHARS_MAX = 64
_MESSAGE_CHARS_MAX = 300

ParsedT = TypeVar("ParsedT")

_log = logging.getLogger(__name__)


class Unclear(Exception):
    """The venue answered, but not with a yes or a no: what was asked may have been done."""


class Denied(VenueRefused):
    """The token or its rights: no request of it will do."""


class NotThere(VenueRefused):
    """404: nothing goes by this name, or nothing any more."""


class Rest:
    """Requests below ``/v3/accounts/{account}``.

    Args:
        changes, reads: one way out for each, so that slow reading never keeps a cancel waiting for a connection.
        throttle, pace: how many requests, and how many new connections, a second.
    """

    def __init__(
        self,
        *,
        account_id: str,
        token: Secret,
        changes: Outbound,
        reads: Outbound,
        throttle: Throttle,
        pace: ConnectionPace,
        clock: Clock,
    ) -> None:
        self.prefix = f"/v3/accounts/{account_id}"
        self._token = token
        self._changes = changes
        self._reads = reads
        self._throttle = throttle
        self._pace = pace
        self._clock = clock

    def headers(self) -> dict[str, str]:
        """What every request carries, streams too. Not to be kept or logged."""
        return {"Authorization": f"Bearer {self._token.reveal()}", "Accept-Datetime-Format": "RFC3339"}

    async def read(self, path: str, query: Mapping[str, str] | None = None, *, parse: Callable[[Json], ParsedT]) -> ParsedT:
        """What ``parse`` makes of GET ``path`` below the account, or from the root where it begins with ``/v3/``.

        Tried again while there is no answer, or one that ``parse`` finds ``Malformed``.

        Raises:
            Denied, NotThere, VenueRefused, NotSent, OutboundError, Unclear, Malformed.
        """
        target = path if path.startswith("/v3/") else self.prefix + path
        if query:
            target += "?" + urlencode(query)
        for attempt in range(1, READ_TRIES):
            try:
                return parse(await self._read_once(target))
            except (NotSent, OutboundError, Unclear, Malformed) as error:
                _log.info("no answer to a look; looking again", extra={"path": path, "reason": str(error)[:_MESSAGE_CHARS_MAX]})
                await asyncio.sleep(READ_PAUSE_S * 2 ** (attempt - 1) * random.uniform(0.5, 1.5))
        return parse(await self._read_once(target))

    async def change(
        self,
        method: str,
        path: str,
        body: Json | None,
        *,
        priority: Priority = Priority.CANCEL,
        deadline_boot_ns: int | None = None,
        label: str = "",
    ) -> Json:
        """Send one request that changes something, once.

        Args:
            deadline_boot_ns: from then on it must not begin; the wait for a connection is bounded so that it cannot.
            label: ``ClientRequestID``, for whoever reads the venue's logs.
        Raises:
            VenueRefused, NotSent: nothing changed. Anything else: it may have.
        """
        headers = self.headers()
        if label:
            headers["ClientRequestID"] = label
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            async with contextlib.AsyncExitStack() as held:
                await self._turn(held, priority, deadline_boot_ns)
                answer = await self._changes.request(
                    method,
                    self.prefix + path,
                    headers=headers,
                    body=b"" if body is None else json.dumps(body, separators=(",", ":")).encode(),
                    timeout_s=self._change_s(deadline_boot_ns),
                )
        except outbound.NotSent as error:
            raise NotSent(message=str(error)) from error
        return self._judge(answer, is_change=True)

    async def _turn(self, held: contextlib.AsyncExitStack, priority: Priority, deadline_boot_ns: int | None) -> None:
        """Wait until a request may leave, ``held`` has its connection then. A wait that is given up is no doubt: what waits has not left."""
        try:
            async with asyncio.timeout(TURN_S_MAX):
                await self._throttle.take(priority, deadline_boot_ns=deadline_boot_ns)
                await held.enter_async_context(self._pace.connection(priority))
        except TimeoutError:
            raise NotSent(message="the venue takes no more requests for now, and its turn did not come") from None

    def _change_s(self, deadline_boot_ns: int | None) -> float:
        """``Outbound`` waits at most half of this for a connection, so the request leaves before its deadline or not at all."""
        if deadline_boot_ns is None:
            return CHANGE_S_MAX
        left_s = (deadline_boot_ns - self._clock.boot_ns()) / NS_PER_S
        if left_s <= 0:
            raise NotSent("EXPIRED", "its deadline passed while it waited for a connection")
        return min(CHANGE_S_MAX, 2 * left_s)

    async def _read_once(self, target: str) -> Json:
        await self._throttle.take(Priority.READ)
        try:
            async with self._pace.connection(Priority.READ):
                answer = await self._reads.request("GET", target, headers=self.headers(), timeout_s=READ_S_MAX)
        except outbound.NotSent as error:
            raise NotSent(message=str(error)) from error
        return self._judge(answer, is_change=False)

    def _judge(self, answer: Answer, *, is_change: bool) -> Json:
        if answer.status == _TOO_MANY:
            self._throttle.pause(_retry_after_s(answer))
        if answer.status not in _YES | _NO:
            raise Unclear(f"the venue answered {answer.status}{_request_id(answer)}")
        data: Json = answer.json_object()
        if answer.status in _YES:
            return data
        raise _refusal(answer, data, is_change=is_change)


def _refusal(answer: Answer, data: Json, *, is_change: bool) -> Exception:
    """The definite no in ``answer``, or the doubt that it leaves."""
    rejects = [value for key, value in data.items() if key.endswith("RejectTransaction") and isinstance(value, dict)]
    done = [key for key in data if key.endswith("Transaction") and not key.endswith("RejectTransaction")]
    why = wire.text_or(data, "errorMessage")[:_MESSAGE_CHARS_MAX]
    code = wire.text_or(data, "errorCode") or next((wire.text_or(each, "rejectReason") for each in rejects), "")
    if (is_change and done) or not (why or code):
        return Unclear(f"the venue answered {answer.status} and {'tells of ' + done[0] if done else 'does not say why'}{_request_id(answer)}")
    if is_change:
        _log.info(
            "the venue refused", extra={"status": answer.status, "code": code, "reason": why, "request_id": answer.headers.get("requestid", "")}
        )
    if answer.status in {401, 403}:
        return Denied(code[:_CODE_CHARS_MAX] or "VENUE_DENIED", why)
    kind = NotThere if answer.status == 404 else VenueRefused
    return kind(_short(code) or "VENUE_REJECTED", why)


def _short(code: str) -> str:
    """``oanda::rest::core::InvalidParameterException`` is its last word."""
    return code.rpartition("::")[2][:_CODE_CHARS_MAX]


def _retry_after_s(answer: Answer) -> float:
    given = answer.headers.get("retry-after", "")
    return min(float(given), PAUSE_S_MAX) if given.isascii() and given.isdigit() else PAUSE_S


def _request_id(answer: Answer) -> str:
    found = answer.headers.get("requestid", "")[:40]
    return f", request {found}" if found else ""

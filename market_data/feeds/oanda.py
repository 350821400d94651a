"""OANDA's pricing stream (v20): who it is asked for, and what its lines say.

A line is a JSON object: ``PRICE`` when an instrument's price has changed (at most four a second each, the latest wins), ``HEARTBEAT`` every five
seconds. So a price stands until the next one. Connecting gives the current prices first. Tokens belong to one of two environments, practice and
live, each with hosts of its own; the rules for choosing are the adapter's (docs/live.md). Source: oanda-v20 documentation, "Pricing Stream"; both
kinds of ``liquidity`` (number and text) have been seen.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from urllib.parse import quote as percent_encoded

from market_data.feeds.stream_state import SILENCE_S_MAX
from market_data.feeds.venue_stream import Garbage, Heartbeat, Message, Price, Unreadable, VenueRefuses, decimal_of, is_here, text_of, time_of
from runtime.exact_json import NotExactJson, loads
from runtime.outbound import Answer, AnswerUnusable, Outbound, StreamRefused, venue_url
from runtime.program import CannotStart
from runtime.secret_files import Secret, is_given, read_secret

VENUE = "oanda"
TOKEN, ACCOUNT = "OANDA_API_TOKEN", "OANDA_ACCOUNT_ID"

LIVE_REST, PRACTICE_REST = "https://api-fxtrade.oanda.com", "https://api-fxpractice.oanda.com"
LIVE_STREAM = "https://stream-fxtrade.oanda.com"
_STREAM_OF = {LIVE_REST: LIVE_STREAM, PRACTICE_REST: "https://stream-fxpractice.oanda.com"}


@dataclass(frozen=True, slots=True, kw_only=True)
class OandaAccess:
    """Where to ask and as whom. A token that may only read is enough."""

    rest_url: str
    stream_url: str
    account: str
    token: Secret

    @property
    def headers(self) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {self.token.reveal()}", "Accept-Datetime-Format": "RFC3339"}

    def account_path(self) -> str:
        return f"/v3/accounts/{percent_encoded(self.account, safe='')}"


def read_access(environ: Mapping[str, str]) -> OandaAccess:
    """What the environment says about OANDA.

    Raises:
        CannotStart: something is missing or cannot be; the message says what to set.
    """
    missing = [name for name in (TOKEN, ACCOUNT) if not is_given(environ, name)]
    if missing:
        raise CannotStart(
            "live prices from OANDA need a token and an account; a free practice account will do, with "
            f"OANDA_BASE_URL={PRACTICE_REST}. {' and '.join(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} not set (write each to a file with mode 0600 and name it in {'_FILE, '.join(missing)}_FILE)"
        )
    rest_url = venue_url(environ, "OANDA_BASE_URL", LIVE_REST)
    usual = _STREAM_OF.get(rest_url, rest_url)  # a simulator serves both at one address
    stream_url = venue_url(environ, "OANDA_STREAM_URL", LIVE_STREAM) if environ.get("OANDA_STREAM_URL") else usual
    if (stream_url != usual and {rest_url, stream_url} & {*_STREAM_OF, *_STREAM_OF.values()}) or is_here(stream_url) is not is_here(rest_url):
        raise CannotStart(
            f"OANDA_BASE_URL is {rest_url} and OANDA_STREAM_URL is {stream_url}: they are of different environments; set OANDA_BASE_URL alone, the "
            "other follows it"
        )
    return OandaAccess(
        rest_url=rest_url,
        stream_url=stream_url,
        account=read_secret(environ, ACCOUNT, warn=False).reveal(),
        token=read_secret(environ, TOKEN),
    )


class OandaStream:
    """The prices of ``instruments``, named as the venue names them."""

    venue = VENUE
    standing_prices = True

    def __init__(self, access: OandaAccess, instruments: Sequence[str], *, silence_s: float = SILENCE_S_MAX) -> None:
        self._access = access
        self._silence_s = silence_s
        self._target = f"{access.account_path()}/pricing/stream?instruments={percent_encoded(','.join(instruments), safe='')}&snapshot=true"

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[AsyncIterator[Sequence[Message]]]:
        async with Outbound(self._access.stream_url, connections_max=1) as outbound:
            try:
                async with (
                    outbound.lines(self._target, headers=self._access.headers, silence_s=self._silence_s) as lines,
                    aclosing(_messages(lines)) as messages,
                ):
                    yield messages
            except StreamRefused as refused:
                raise refusal_of(refused.answer) or refused from refused


async def _messages(lines: AsyncIterator[bytes]) -> AsyncGenerator[Sequence[Message], None]:
    async for line in lines:
        yield read_line(line)


def read_line(line: bytes) -> Sequence[Message]:
    """What one line of the stream says; nothing for a type that is new to us."""
    try:
        message = loads(line)
        kind = text_of(message, "type")
        if kind == "HEARTBEAT":
            return [Heartbeat(time_ns=time_of(message, "time"))]
        return [_price(message)] if kind == "PRICE" else []
    except (NotExactJson, Unreadable) as error:
        return [Garbage(reason=str(error))]


def _price(message: Mapping[str, object]) -> Price:
    tradeable = message.get("tradeable", True)
    if not isinstance(tradeable, bool):
        raise Unreadable("tradeable is neither true nor false")
    name, time_ns = text_of(message, "instrument"), time_of(message, "time")
    if not tradeable:  # a closed market may show no ladder at all
        return Price(instrument=name, bid=Decimal(0), ask=Decimal(0), time_ns=time_ns, tradeable=False)
    bid, bid_size = _best(message, "bids")
    ask, ask_size = _best(message, "asks")
    return Price(instrument=name, bid=bid, ask=ask, bid_size=bid_size, ask_size=ask_size, time_ns=time_ns)


def _best(message: Mapping[str, object], side: str) -> tuple[Decimal, Decimal | None]:
    """The first level of the ladder, price and size."""
    ladder = message.get(side)
    if not isinstance(ladder, list) or not ladder or not isinstance(ladder[0], dict):
        raise Unreadable(f"{side} is empty")
    liquidity = ladder[0].get("liquidity")
    return decimal_of(ladder[0].get("price"), f"{side}.price"), None if liquidity is None else decimal_of(liquidity, f"{side}.liquidity")


def refusal_of(answer: Answer) -> VenueRefuses | None:
    """What a definite no means for who runs the arena; None for what may pass by itself (429, 5xx)."""
    if answer.status in {401, 403}:
        return VenueRefuses(
            f"OANDA refuses the token ({answer.status}): put a valid one into {TOKEN}_FILE and restart market_data. A practice account's token "
            f"works only with OANDA_BASE_URL={PRACTICE_REST}, a live account's only without it"
        )
    if answer.status in {400, 404, 405}:
        return VenueRefuses(
            f"OANDA refuses the request ({answer.status}{_said(answer)}): check {ACCOUNT}, and that the account trades every oanda instrument of "
            "conf/instruments.toml"
        )
    return None


def _said(answer: Answer) -> str:
    try:
        message = answer.json_object().get("errorMessage")
    except AnswerUnusable:
        return ""
    return f", {message[:200]!a}" if isinstance(message, str) else ""

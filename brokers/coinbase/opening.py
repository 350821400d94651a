"""What is found out before anything is traded: the clock, the key's rights, the products with their grids, the account, and how exits can stand.

Whether a product takes attached exits, brackets or only stops depends on account and product, and the venue documents neither. So it is asked, with
previews that place nothing: an entry with exits, a bracket, for each side. Only a preview without objections counts as a yes. One that fails for want
of coins or money proves nothing, and the next lower rung is taken; a stop alone is what every product takes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from brokers.coinbase.answers import Holding, Json, Malformed, number, optional_text
from brokers.coinbase.client import Client
from brokers.coinbase.context import Ability
from brokers.coinbase.orders import ATTACHABLE, bracket_exit, entry
from brokers.coinbase.products import Product
from brokers.coinbase.rest import Missing
from brokers.live.venue import Capability, Exits, NotSent, VenueAccount, VenueInfo, VenueRefused
from runtime.clock import NS_PER_S, Clock
from runtime.outbound import AnswerUnusable, InDoubt
from trading.instruments import Instrument, InstrumentError, Side
from trading.money import ZERO, ceil_to, floor_to
from trading.orders import BracketOrder, EntryType

CURRENCY = "USD"

# A token is good for two minutes; a clock that is off by more than half of that is refused now and then.
SKEW_S_MAX = 60
SKEW_S_WARN = 5

# Previews ask for the least value and a little more, so that a step of size never makes it too small.
PREVIEW_VALUE = Decimal(3)
# How far from the market the prices of a preview are.
_NEAR, _FAR = Decimal("0.02"), Decimal("0.05")

_UNAUTHORISED = frozenset({401, 403})


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """What ``look_round`` found: for the core, and for the other parts of the adapter."""

    info: VenueInfo
    products: Mapping[str, Product]
    abilities: Mapping[tuple[str, Side], Ability]
    offset_ns: int  # the venue's clock less CLOCK_BOOTTIME


async def look_round(client: Client, clock: Clock, wanted: Iterable[Instrument], known: Mapping[tuple[str, Side], Ability]) -> Opened:
    """Ask everything, in this order; previews only for what is not ``known``.

    Raises:
        VenueRefused: the key is not taken, may not trade, or our clock is too far off. NotSent, InDoubt: the venue could not be asked.
    """
    try:
        offset_ns = await _offset_ns(client, clock)
        skew_ns = offset_ns - (clock.wall_ns() - clock.boot_ns())
        rights = await client.permissions()
        warnings = [*_check_clock(skew_ns), *_check_rights(rights)]
    except AnswerUnusable as error:
        if error.status in _UNAUTHORISED:
            raise VenueRefused(
                "UNAUTHORIZED", "the venue does not take the API key: check COINBASE_API_KEY, its secret, and this machine's clock"
            ) from error
        raise
    except Missing as error:
        raise InDoubt("the venue answered a question about the key with 404") from error
    rates = await _fee_rates(client)
    products: dict[str, Product] = {}
    instruments: list[Instrument] = []
    abilities: dict[tuple[str, Side], Ability] = {}
    for configured in wanted:
        try:
            product, price = await client.product(configured.name)
            instruments.append(product.instrument(configured, rates))
        except Missing:
            warnings.append(f"{configured.name} is not at the venue and is left out")
            continue
        except InstrumentError as error:
            warnings.append(f"{configured.name} is left out: {error}")
            continue
        products[configured.name] = product
        if product.closed_because:
            warnings.append(f"{configured.name} {product.closed_because}")
        for side in Side:
            abilities[configured.name, side] = known.get((configured.name, side)) or await ability_of(client, product, side, price)
    info = VenueInfo(
        account=account_of(await client.holdings()),
        instruments=instruments,
        capabilities={name: capability_of(abilities[name, Side.BUY]) for name in products},
        warnings=[*warnings, *_unproven(abilities)],
        account_ref=optional_text(rights, "portfolio_uuid"),
    )
    return Opened(info=info, products=products, abilities=abilities, offset_ns=offset_ns)


async def ability_of(client: Client, product: Product, side: Side, price: Decimal | None) -> Ability:
    """How the exits of a bracket of ``side`` can stand, by what the venue says to previews; ``price`` is where the market is, None: nobody knows."""
    if price is None or price <= 0:
        return Ability.STOP
    order = _sample(product, side, price)
    attached = entry(order, client_order_id="preview", tick=product.price_increment, end_ns=_A_DAY_NS + await client.time_ns(), attach_exits=True)
    if not await client.preview(attached):
        return Ability.ATTACHED
    exits = bracket_exit(
        product.product_id,
        side.opposite,
        order.units,
        target=order.take_profit_price,
        stop=order.stop_loss_price,
        client_order_id="preview",
    )
    return Ability.STOP if await client.preview(exits) else Ability.BRACKET


def capability_of(ability: Ability) -> Capability:
    """The same as the core knows it."""
    exits = {Ability.ATTACHED: Exits.ATTACHED, Ability.BRACKET: Exits.AFTER_FILL, Ability.STOP: Exits.STOP_ONLY, Ability.HELD: Exits.HELD}[ability]
    return Capability(exits=exits, attached_types=ATTACHABLE, trails=False, stop_may_rest=True)


def account_of(holdings: Mapping[str, Holding]) -> VenueAccount:
    """The account's money; what is on hold for orders is still ours."""
    cash = holdings.get(CURRENCY, Holding(currency=CURRENCY, available=ZERO, hold=ZERO))
    return VenueAccount(
        currency=CURRENCY,
        balance=cash.total,
        reserved=cash.hold,
        holdings={name: one.total for name, one in holdings.items() if name != CURRENCY and one.total},
    )


_A_DAY_NS = 86_400 * NS_PER_S


def _sample(product: Product, side: Side, price: Decimal) -> BracketOrder:
    """A small bracket beside the market."""
    tick, sign = product.price_increment, side.sign
    entry_price = floor_to(price * (1 - sign * _NEAR), tick)
    stop = floor_to(price * (1 - sign * _FAR), tick)
    target = ceil_to(price * (1 + sign * _FAR), tick)
    units = max(ceil_to(product.quote_min_size * PREVIEW_VALUE / min(stop, target), product.base_increment), product.base_min_size)
    return BracketOrder(
        instrument=product.product_id,
        side=side,
        units=units,
        entry_type=EntryType.LIMIT,
        entry_price=entry_price,
        stop_loss_price=stop,
        take_profit_price=target,
    )


async def _offset_ns(client: Client, clock: Clock) -> int:
    """The venue's clock less CLOCK_BOOTTIME, to half of what asking takes."""
    before_ns = clock.boot_ns()
    there_ns = await client.time_ns()
    return there_ns - (before_ns + clock.boot_ns()) // 2


def _check_clock(skew_ns: int) -> list[str]:
    """What to tell of the venue's clock being ahead of ours by ``skew_ns``."""
    off_s = abs(skew_ns) / NS_PER_S
    if off_s > SKEW_S_MAX:
        raise VenueRefused("CLOCK_SKEW", f"this machine's clock is {off_s:.0f} s {'behind' if skew_ns > 0 else 'ahead of'} the venue's: set it")
    return [f"this machine's clock is {off_s:.0f} s off the venue's"] if off_s > SKEW_S_WARN else []


def _check_rights(rights: Json) -> Sequence[str]:
    if rights.get("can_view") is not True or rights.get("can_trade") is not True:
        raise VenueRefused("NO_TRADE_PERMISSION", "the API key may not view and trade: give it both rights at the venue")
    if rights.get("can_transfer") is not False:
        return ["the API key may move money out of the account: make one that may only view and trade"]
    return []


async def _fee_rates(client: Client) -> tuple[Decimal, Decimal] | None:
    """(maker, taker) of the account; None when the venue does not say."""
    try:
        tier = await client.fee_tier()
        return number(tier, "maker_fee_rate"), number(tier, "taker_fee_rate")
    except (Missing, Malformed, InDoubt, NotSent):
        return None  # only estimates hang on it; the configured rates stand


def _unproven(abilities: Mapping[tuple[str, Side], Ability]) -> list[str]:
    return [
        f"{product_id}: for a {side} the venue was seen to take {'a stop alone' if ability is Ability.STOP else 'no exits'}; the target is held here"
        for (product_id, side), ability in abilities.items()
        if ability < Ability.BRACKET
    ]

"""A synthetic market as a pure function: a state goes in, the next state and at most one quote come out.

Nothing here reads a clock, a file or a global: the same seed and the same first moment give the same quotes for ever, and a state written down and
read back goes on as if nothing had happened. Each step draws from a generator of its own, seeded with (seed, number of the step), so that a state
holds one counter instead of 2,500 bytes of generator.

How prices move. A market's log-volatility is a sum of moods (Ornstein-Uhlenbeck processes with memories from minutes to hours), so that calm and
storm each last; news adds jumps and a fading shock. Log prices are correlated normal steps of that volatility, scaled by the hour, with a weak pull
to the level they started from. Moods are advanced exactly and prices by Euler's rule, so that one code serves steps of milliseconds and of an hour.

Floats are meant here: synthetic prices are no money until they are on the instrument's grid, and from there on they are ``Decimal``.
"""

import math
from dataclasses import dataclass, replace
from decimal import Decimal
from random import Random

from market_data.feeds.market_model import DAY_S, MARKETS, PROFILES, MarketClass, Mood, Profile, at_hour, new_york_hour
from runtime.clock import NS_PER_S
from trading.instruments import Instrument, Instruments
from trading.quotes import Quote

# A first market begins calm (in standard deviations of each mood): a first bracket has time to be looked at.
CALM = -1.0

# A consumer calls a feed stale after 10 s; a quiet market repeats its quote well before.
SILENCE_S_MAX = 3.0
# The share of quotes that follow the one before within a blink, as recorded ticks do, and how soon.
BURST_SHARE = 0.3
BURST_S = 0.08
QUOTE_GAP_S_MIN = 0.02
# The widest a dealer quotes, in usual spreads: OANDA's own limit in the recorded fortnight was 15 pips on a usual 1.1.
DEALER_SPREAD_MAX = 14.0
# However quiet the hour, a watched price should be seen to live; recorded nights are three times as quiet as this.
BUSY_MIN = 0.6


@dataclass(frozen=True, slots=True, kw_only=True)
class Mind:
    """The moods of one market; ``shock`` is what is left of the last news."""

    slow: float
    fast: float
    shock: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Where one instrument stands: ``log_price`` relative to its profile's start, its own mood, and when it quotes next."""

    log_price: float
    mood: float
    next_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketState:
    """The whole synthetic market at ``time_ns``. ``steps`` numbers the random draws."""

    seed: int
    steps: int
    time_ns: int
    minds: dict[str, Mind]
    marks: dict[str, Mark]


@dataclass(frozen=True, slots=True)
class Move:
    """How far one instrument's log price went in one step, and the standard deviation that step had."""

    change: float
    sd: float


class Market:
    """The rules for the instruments that have a profile; holds no state.

    Args:
        instruments: all that are configured; ``unknown`` names those without a profile, which this market does not quote.
    """

    def __init__(self, instruments: Instruments) -> None:
        self.instruments = {name: instrument for name, instrument in instruments.items() if name in PROFILES}
        self.unknown = [name for name in instruments if name not in PROFILES]

    def begin(self, seed: int, time_ns: int) -> MarketState:
        """The market's first moment, every price at its profile's start."""
        minds = {name: Mind(slow=CALM * kind.slow.sd, fast=CALM * kind.fast.sd) for name, kind in MARKETS.items()}
        marks = {name: Mark(log_price=0.0, mood=0.0, next_ns=time_ns) for name in self.instruments}
        return MarketState(seed=seed, steps=0, time_ns=time_ns, minds=minds, marks=marks)

    def resume(self, state: MarketState, seed: int, time_ns: int) -> MarketState:
        """``state`` taken up again at ``time_ns`` with every price where it was; an instrument it does not know begins at its profile's start."""
        known = state.marks
        fresh = Mark(log_price=0.0, mood=0.0, next_ns=time_ns)
        marks = {name: replace(known.get(name, fresh), next_ns=time_ns) for name in self.instruments}
        return replace(state, seed=seed, time_ns=time_ns, marks=marks)

    def next_time_ns(self, state: MarketState) -> int:
        """When the next quote is due."""
        return min(mark.next_ns for mark in state.marks.values())

    def next_quote(self, state: MarketState) -> tuple[MarketState, Quote]:
        """The state just after the next quote, and that quote."""
        name = min(state.marks, key=lambda one: state.marks[one].next_ns)
        state, _ = self.advance(state, state.marks[name].next_ns)
        random = _random(state)
        mark = state.marks[name]
        mind = state.minds[PROFILES[name].market]
        quote = _quote(self.instruments[name], mark, mind, state.time_ns, random)
        gap_s = _gap_s(PROFILES[name], mark, mind, state.time_ns, random)
        marks = {**state.marks, name: replace(mark, next_ns=state.time_ns + round(gap_s * NS_PER_S))}
        return replace(state, steps=state.steps + 1, marks=marks), quote

    def advance(self, state: MarketState, time_ns: int) -> tuple[MarketState, dict[str, Move]]:
        """The market moved on to ``time_ns`` without quoting, and each instrument's move."""
        dt_s = max(0, time_ns - state.time_ns) / NS_PER_S
        random = _random(state)
        hour = new_york_hour((state.time_ns + time_ns) / 2 / NS_PER_S)
        minds: dict[str, Mind] = {}
        factors: dict[str, float] = {}
        jumps: dict[str, float] = {}
        for name, kind in MARKETS.items():
            mind, jumps[name] = _next_mind(state.minds[name], kind, dt_s, at_hour(kind.activity, hour), random)
            minds[name] = mind
            factors[name] = random.gauss(0.0, 1.0)
        marks: dict[str, Mark] = {}
        moves: dict[str, Move] = {}
        for name in self.instruments:
            profile, mark = PROFILES[name], state.marks[name]
            kind = MARKETS[profile.market]
            sd = _volatility(profile, kind, minds[profile.market], mark.mood, hour) * math.sqrt(dt_s / DAY_S)
            common = sum(load * factors[market] for load, market in zip(profile.loadings, MARKETS, strict=True))
            own = math.sqrt(1.0 - sum(load * load for load in profile.loadings))
            jump = sum(load * jumps[market] for load, market in zip(profile.loadings, MARKETS, strict=True)) * profile.day_volatility
            pull = -mark.log_price * min(1.0, dt_s / (profile.pull_days * DAY_S))
            change = sd * (common + own * random.gauss(0.0, 1.0)) + jump + pull
            marks[name] = replace(mark, log_price=mark.log_price + change, mood=_fade(mark.mood, kind.own, dt_s, random))
            moves[name] = Move(change, sd)
        return replace(state, steps=state.steps + 1, time_ns=max(state.time_ns, time_ns), minds=minds, marks=marks), moves


def mid_price(name: str, log_price: float) -> float:
    """The price that ``log_price`` stands for."""
    return float(PROFILES[name].start) * math.exp(log_price)


def usual_spread(name: str, time_s: float) -> float:
    """The spread ``name`` usually has at that time of day, in price units."""
    profile = PROFILES[name]
    return profile.spread * at_hour(MARKETS[profile.market].spread, new_york_hour(time_s))


def _random(state: MarketState) -> Random:
    return Random(state.seed << 64 | state.steps)


def _fade(value: float, mood: Mood, dt_s: float, random: Random) -> float:
    """An Ornstein-Uhlenbeck step, exact for any ``dt_s``."""
    kept = math.exp(-dt_s / mood.memory_s)
    return value * kept + mood.sd * math.sqrt(1.0 - kept * kept) * random.gauss(0.0, 1.0)


def _next_mind(mind: Mind, kind: MarketClass, dt_s: float, activity: float, random: Random) -> tuple[Mind, float]:
    """The moods after ``dt_s``, and the news' jump in units of a day's standard deviation (0 without news)."""
    shock = mind.shock * math.exp(-dt_s / kind.shock_memory_s)
    jump = 0.0
    if random.random() < 1.0 - math.exp(-kind.news_per_day * activity * dt_s / DAY_S):
        strength = random.expovariate(1.0)
        shock += strength
        jump = random.gauss(0.0, 1.0) * strength * kind.news_size / math.sqrt(24 * 60)
    return Mind(slow=_fade(mind.slow, kind.slow, dt_s, random), fast=_fade(mind.fast, kind.fast, dt_s, random), shock=shock), jump


def _excitement(kind: MarketClass, mind: Mind, own: float) -> float:
    """How nervous the market is now against its average, 1 being usual; normalised so that the mean variance stays what the profile says."""
    variance = kind.slow.sd**2 + kind.fast.sd**2 + kind.own.sd**2
    return math.exp(mind.slow + mind.fast + own - variance) * (1.0 + min(mind.shock, 4.0))


def _volatility(profile: Profile, kind: MarketClass, mind: Mind, own: float, hour: float) -> float:
    return profile.day_volatility * at_hour(kind.volatility, hour) * _excitement(kind, mind, own)


def _gap_s(profile: Profile, mark: Mark, mind: Mind, time_ns: int, random: Random) -> float:
    """Seconds until the instrument's next quote: often a burst, else as long as the hour and the mood make it."""
    if random.random() < BURST_SHARE:
        gap_s = random.expovariate(1.0 / BURST_S)
    else:
        kind = MARKETS[profile.market]
        busy = at_hour(kind.activity, new_york_hour(time_ns / NS_PER_S)) * math.sqrt(min(4.0, _excitement(kind, mind, mark.mood)))
        gap_s = random.expovariate(profile.quotes_per_s * (1.0 - BURST_SHARE) * max(BUSY_MIN, busy))
    return min(SILENCE_S_MAX, max(QUOTE_GAP_S_MIN, gap_s))


def _quote(instrument: Instrument, mark: Mark, mind: Mind, time_ns: int, random: Random) -> Quote:
    """What the instrument shows now, on its grid."""
    profile = PROFILES[instrument.name]
    kind = MARKETS[profile.market]
    tick = float(instrument.tick)
    excitement = _excitement(kind, mind, mark.mood)
    spread = usual_spread(instrument.name, time_ns / NS_PER_S)
    if profile.size is None:
        # Dealers: a usual width with a little noise, and a lot more of it while they are frightened.
        spread *= math.exp(random.gauss(0.0, 0.12)) + (random.expovariate(3.0) if random.random() < 0.1 else 0.0)
        spread *= max(1.0, 0.7 + 0.3 * excitement) * (1.0 + 2.0 * min(mind.shock, 4.0))
        spread = min(spread, DEALER_SPREAD_MAX * profile.spread)
    else:
        # An order book: one tick while somebody stands there, a gap the width of the mood when nobody does.
        spread = 0.0 if random.random() < 0.85 / (1.0 + 0.25 * excitement) else random.expovariate(1.0) * spread * excitement
    ticks = max(profile.spread_min_ticks, round(spread / tick))
    middle = mid_price(instrument.name, mark.log_price) / tick + random.gauss(0.0, 0.3)
    bid = max(1, round(middle - ticks / 2))
    sizes = (None, None) if profile.size is None else (_size(profile, excitement, instrument, random), _size(profile, excitement, instrument, random))
    return Quote(
        instrument=instrument.name,
        bid=bid * instrument.tick,
        ask=(bid + ticks) * instrument.tick,
        bid_size=sizes[0],
        ask_size=sizes[1],
        time_ns=time_ns,
        synthetic=True,
        feed="simulated",
    )


def _size(profile: Profile, excitement: float, instrument: Instrument, random: Random) -> Decimal:
    """A quoted size on the instrument's step: log-normal, as recorded ones nearly are, and thinner in a storm."""
    assert profile.size is not None
    size = max(profile.size_min, profile.size * math.exp(random.gauss(0.0, 1.5)) / math.sqrt(max(1.0, excitement)))
    grid = max(instrument.step, Decimal("0.00001"))  # venues show eight decimals, but five say all there is to say
    return max(grid, int(size / float(grid)) * grid)

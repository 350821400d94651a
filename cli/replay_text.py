"""The summary of a replay on a terminal, and the lines that every form of it shows."""

import sys
from decimal import Decimal
from typing import TYPE_CHECKING

from runtime.timestamps import to_text

if TYPE_CHECKING:
    from brokers.replay.summary import Summary

_CENT = Decimal("0.01")

Rows = list[tuple[str, str]]


def headline(summary: "Summary") -> str:
    """What was replayed, in one line."""
    return (
        f"{summary.instrument} at {summary.broker}, paper: {summary.quotes:,} quotes from {_time(summary.first_ns)} to {_time(summary.last_ns)} UTC"
    )


def figures(summary: "Summary") -> Rows:
    """Each figure with its name, in the order a trader asks for them."""
    tally, closed = summary.tally, summary.tally.all
    rows: Rows = [("brackets", _and(str(tally.placed), _counts(tally.rejected, "refused: ")))]
    rows.append(("filled", _and(str(tally.entered), _counts(tally.unfilled, "never filled: "))))
    rows.append(("still open at the end", f"{summary.open_trades} positions, {summary.pending} resting"))
    if summary.early:
        rows.append(("due before the file begins", f"{summary.early}, arrived with the first quote"))
    if summary.repeated:
        rows.append(("sent twice, placed once", str(summary.repeated)))
    rows.append(("fills", str(tally.fills)))
    won = "–" if summary.win_rate is None else f"{closed.wins} won, {tally.losses} lost: {summary.win_rate:.1%}"
    rows.append(("trades closed", _and(str(closed.trades), won if closed.trades else "")))
    if closed.r_count:
        rows.append(("R multiples", f"{closed.r_average:+.2f} on average, {closed.r_sum:+.2f} in all, {tally.worst_r:+.2f} to {tally.best_r:+.2f}"))
    if summary.profit_factor is not None:
        rows.append(("won over lost", f"{summary.profit_factor:.2f}"))
    rows += [
        ("gross P&L", money(tally.gross_pnl, summary)),
        ("fees", money(tally.fees, summary, sign=False)),
        ("net P&L, realised", money(summary.net_pnl, summary)),
        ("open P&L at the end", money(summary.open_pnl, summary)),
        (
            "equity",
            f"{summary.balance_start:,.2f} → {summary.equity_end:,.2f} {summary.currency} ({_percent(summary.equity_end, summary.balance_start)})",
        ),
        ("max drawdown", _drawdown(summary)),
        ("stops that slipped", _slipped(summary)),
        ("worst gap past a stop", _worst(summary)),
    ]
    return rows


EXIT_COLUMNS = ("exit", "trades", "won", "net P&L", "average R")


def exits(summary: "Summary") -> list[tuple[str, str, str, str, str]]:
    """By what ended them."""
    return [
        (
            reason,
            str(group.trades),
            str(group.wins),
            f"{group.net_pnl.quantize(_CENT):+,}",
            "–" if group.r_average is None else f"{group.r_average:+.2f}",
        )
        for reason, group in sorted(summary.tally.by_reason.items())
    ]


def money(amount: Decimal, summary: "Summary", *, sign: bool = True) -> str:
    cents = amount.quantize(_CENT)
    return f"{cents:+,} {summary.currency}" if sign and cents else f"{abs(cents):,} {summary.currency}"


def print_summary(summary: "Summary", *, to_stderr: bool) -> None:
    """Tables on stdout, or on stderr when stdout carries the events."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from cli.output import PIPED_COLUMNS

    stream = sys.stderr if to_stderr else sys.stdout
    console = Console(file=stream, highlight=False, width=None if stream.isatty() else PIPED_COLUMNS)
    console.print(Text(headline(summary), style="bold"))
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column()
    for name, value in figures(summary):
        table.add_row(Text(name), Text(value))
    console.print(table)
    rows = exits(summary)
    if not rows:
        return
    table = Table(box=SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for index, column in enumerate(EXIT_COLUMNS):
        table.add_column(column, justify="right" if index else "left", no_wrap=True)
    for row in rows:
        table.add_row(*map(Text, row))
    console.print(table)


def _drawdown(summary: "Summary") -> str:
    fall = summary.drawdown
    if not fall.money:
        return "none"
    return f"{fall.money:,.2f} {summary.currency} ({fall.share:.2%} of {fall.peak:,.2f}), {_time(fall.peak_ns)} to {_time(fall.trough_ns)}"


def _slipped(summary: "Summary") -> str:
    tally = summary.tally
    if not tally.stop_fills:
        return "no stop was reached"
    return f"{tally.slipped} of {tally.stop_fills}, {money(tally.slippage, summary, sign=False)} in all"


def _worst(summary: "Summary") -> str:
    gap = summary.tally.worst
    if gap is None:
        return "none"
    return (
        f"{gap.distance:f} ({money(gap.money, summary, sign=False)} on {gap.units:f}): stop {gap.stop_price:f} filled at {gap.price:f}, "
        f"{_time(gap.time_ns)}, {gap.client_order_id}"
    )


def _counts(counts: dict[str, int], title: str) -> str:
    return title + ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) if counts else ""


def _and(first: str, second: str) -> str:
    return f"{first} ({second})" if second else first


def _percent(now: Decimal, before: Decimal) -> str:
    return f"{(now - before) / before:+.2%}" if before else "–"


def _time(ns: int) -> str:
    """To the millisecond, as quotes are."""
    return to_text(ns)[:23].replace("T", " ")

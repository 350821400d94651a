"""PDF reports one would hand to somebody: the transcript by day, and the closed trades with what they come to.

Making one is slow work for an event loop: call it in a thread.
"""

from collections.abc import Sequence
from decimal import Decimal
from itertools import groupby

from bus.envelope import Event
from dashboard.narrator.figures import fixed, plain, span
from dashboard.pdf import BAD, BOLD, GOOD, INK, MARGIN, MONO, MUTED, Colour, Report, latin
from dashboard.trades import Totals, Trade, totals
from dashboard.transcript import line_of


def transcript_report(events: Sequence[Event], *, subtitle: str) -> bytes:
    """The events by day, each with its time, source and line; Rick's comments stand out by their colour."""
    report = Report("RICK live narration: transcript", subtitle)
    if not events:
        report.paragraph(MARGIN, "Nothing happened.", colour=MUTED)
    for day, of_day in groupby(events, key=lambda event: event.ts[:10]):
        report.down(0.5)
        report.text(MARGIN, day, font=BOLD, size=10)
        report.rule()
        for event in of_day:
            report.down(1.2)
            report.text(MARGIN, event.ts[11:19], font=MONO, colour=MUTED)
            report.text(MARGIN + 46, latin(event.source), colour=MUTED)
            report.paragraph(MARGIN + 92, line_of(event), colour=GOOD if event.type == "narration" else INK)
        report.down()
    return report.finish()


# Heading and where its column ends; the first begins at the margin.
_SUMS: Sequence[tuple[str, float]] = (
    ("Instrument", 0),
    ("Trades", 130),
    ("Won", 180),
    ("Lost", 230),
    ("Net", 320),
    ("Fees", 390),
    ("Average R", 460),
    ("Best", 540),
    ("Worst", 620),
)
# Heading, position, and whether that is its right end.
_COLUMNS: Sequence[tuple[str, float, bool]] = (
    ("Closed (UTC)", 0, False),
    ("Order", 92, False),
    ("Instrument", 190, False),
    ("Side", 258, False),
    ("Units", 340, True),
    ("Entry", 410, True),
    ("Exit", 480, True),
    ("Reason", 492, False),
    ("Held", 580, False),
    ("Net", 700, True),
    ("R", 750, True),
)


def trades_report(trades: Sequence[Trade], *, subtitle: str) -> bytes:
    """What the trades come to, by instrument and altogether, then each of them."""
    report = Report("RBOT Arena: closed trades", subtitle, wide=True)
    groups = [("all", list(trades))]
    groups += [(name, [trade for trade in trades if trade.instrument == name]) for name in sorted({trade.instrument for trade in trades})]
    for name, x in _SUMS:
        report.text(MARGIN + x, name, font=BOLD, right=bool(x))
    report.rule()
    for name, of_group in groups:
        report.down(1.3)
        _totals_row(report, name, totals(of_group))
    report.down(2)
    _headings(report)
    for trade in trades:
        if report.down(1.3):
            _headings(report)
            report.down(1.3)
        _trade_row(report, trade)
    if not trades:
        report.down(1.5)
        report.text(MARGIN, "No bracket has been closed.", colour=MUTED)
    return report.finish()


def _headings(report: Report) -> None:
    for name, x, right in _COLUMNS:
        report.text(MARGIN + x, name, font=BOLD, right=right)
    report.rule()


def _totals_row(report: Report, name: str, sums: Totals) -> None:
    average = "" if sums.average_r is None else fixed(sums.average_r, 2)
    cells = (latin(name), str(sums.count), str(sums.wins), str(sums.losses), fixed(sums.net, 2), fixed(sums.fees, 2), average,
             fixed(sums.best, 2), fixed(sums.worst, 2))  # fmt: skip
    for (heading, x), text in zip(_SUMS, cells, strict=True):
        report.text(MARGIN + x, text, right=bool(x), colour=_sign_colour(sums.net) if heading == "Net" else INK)


def _trade_row(report: Report, trade: Trade) -> None:
    cells = (
        trade.closed_at[:19].replace("T", " "), trade.order_id, trade.instrument, trade.side, _figure(trade.units), _figure(trade.entry_price),
        _figure(trade.exit_price), trade.close_reason.replace("_", " ").lower(), "" if trade.held_s is None else span(trade.held_s),
        "" if trade.net is None else fixed(trade.net, 2), "" if trade.r_multiple is None else fixed(trade.r_multiple, 2),
    )  # fmt: skip
    for (name, x, right), text in zip(_COLUMNS, cells, strict=True):
        report.text(MARGIN + x, latin(text)[:24], right=right, colour=_sign_colour(trade.net) if name in {"Net", "R"} else INK)


def _figure(value: Decimal | None) -> str:
    return "" if value is None else plain(value)


def _sign_colour(value: Decimal | None) -> Colour:
    return INK if not value else GOOD if value > 0 else BAD

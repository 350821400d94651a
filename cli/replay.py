"""``arena replay``: a plan of orders over recorded quotes, through the paper engine, as fast as it goes. No arena needs to run.

What it writes and what ends it before its time: docs/replay.md.
"""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import exit_codes
from cli.output import fail, print_json
from cli.whole_file import STANDARD_OUTPUT, CannotWrite, Write, whole_file
from runtime.settings import Settings, SettingsError, load_settings

if TYPE_CHECKING:
    from brokers.replay.driver import Replay
    from brokers.replay.summary import Summary

REPORTS = (".html", ".pdf")


def register(app: typer.Typer) -> None:
    app.command()(replay)


def replay(
    broker: Annotated[str, typer.Option(help="Whose paper account trades: oanda or coinbase.")],
    instrument: Annotated[str, typer.Option(help="What the quotes are of, as in EUR_USD.")],
    quotes: Annotated[Path, typer.Option(help="CSV or CSV.gz: time_utc, bid, ask[, bid_size, ask_size].")],
    orders: Annotated[Path, typer.Option(help="The plan: one order a line, its JSON body and `at`, when it arrives.")],
    events: Annotated[Path, typer.Option(help="Where the events go, one a line as in /events; - is standard output.")],
    report: Annotated[Path | None, typer.Option(help="A report with the equity curve besides: a .html or .pdf file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The summary as one JSON document.")] = False,
) -> None:
    """Try a plan of orders on recorded quotes, with the paper account's own rules."""
    from brokers.replay.errors import ReplayRefused
    from trading.errors import InvalidRequest

    if report is not None and report.suffix.lower() not in REPORTS:
        fail(f"a report is a .html or a .pdf file, and {report.name} is neither", exit_codes.USAGE)
    if as_json and events == STANDARD_OUTPUT:
        fail("--json and --events - both want standard output: give --events a file", exit_codes.USAGE)
    _keep_apart({"--quotes": quotes, "--orders": orders}, {"--events": events, "--report": report})
    settings = _settings()
    try:
        with whole_file(events) as write:
            summary = _run(_prepare(settings, broker, instrument, orders, write), quotes)
            if report is not None:
                with whole_file(report) as write_report:
                    write_report(_report(report, summary))
    except ReplayRefused as error:
        fail(error.message, exit_codes.USAGE)
    except InvalidRequest as error:
        fail(error.message)
    except CannotWrite as error:
        fail(f"{error.filename} cannot be written: {error.strerror}")
    except KeyboardInterrupt:
        fail("stopped; nothing was written")
    _tell(summary, as_json=as_json, to_stderr=events == STANDARD_OUTPUT)


def _prepare(settings: Settings, broker: str, instrument: str, orders: Path, write: Write) -> "Replay":
    from brokers.paper.config import PaperAccountConfig
    from brokers.replay.driver import Replay
    from brokers.replay.errors import ReplayRefused
    from brokers.replay.plan import read_plan
    from trading.instruments import VENUES, InstrumentError, Instruments
    from trading.risk_limits import RiskLimits, RiskSettingsError

    if broker not in VENUES:
        raise ReplayRefused(f"there is no broker {broker!r}; it must be one of {', '.join(VENUES)}")
    try:
        instruments = Instruments.from_config(settings.instruments)
        limits = RiskLimits.from_settings(settings.risk)
    except InstrumentError as error:
        fail(f"{settings.conf.parent / 'instruments.toml'}: {error}", exit_codes.USAGE)
    except RiskSettingsError as error:
        fail(str(error), exit_codes.USAGE)
    known = instruments.for_venue(broker)
    if instrument not in known:
        raise ReplayRefused(f"{broker} has no instrument {instrument!r}; it has {', '.join(known)}")
    return Replay(
        venue=broker,
        instrument=instrument,
        instruments=instruments,
        account=PaperAccountConfig.for_venue(broker, settings.paper),
        limits=limits,
        plan=read_plan(orders, venue=broker, instrument=instrument, instruments=instruments),
        plan_path=orders,
        write=write,
    )


def _run(replaying: "Replay", quotes: Path) -> "Summary":
    """Every quote, with a progress bar where somebody watches."""
    from trading.quote_files import iter_blocks

    if not sys.stderr.isatty():
        for block in iter_blocks(quotes):
            replaying.feed(block)
        return replaying.finish()
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[quotes]:,} quotes"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        size = quotes.stat().st_size if quotes.is_file() else None
        task = progress.add_task("replaying", total=size, quotes=0)
        for block in iter_blocks(quotes, on_read=lambda count: progress.update(task, completed=count)):
            replaying.feed(block)
            progress.update(task, quotes=replaying.quotes)
        return replaying.finish()


def _report(path: Path, summary: "Summary") -> bytes:
    if path.suffix.lower() == ".pdf":
        from cli.replay_pdf import pdf_report

        return pdf_report(summary)
    from cli.replay_html import html_report

    return html_report(summary)


def _tell(summary: "Summary", *, as_json: bool, to_stderr: bool) -> None:
    from cli.replay_text import print_summary

    if as_json:
        print_json(summary.record())
    else:
        print_summary(summary, to_stderr=to_stderr)


def _settings() -> Settings:
    # A replay opens no socket and no store, so it is no trouble if the home's path is long.
    try:
        return load_settings({**os.environ, "ARENA_HOME": os.sep})
    except SettingsError as error:
        fail(str(error), exit_codes.USAGE)


def _keep_apart(read: dict[str, Path], written: dict[str, Path | None]) -> None:
    """Refuse to write over what is read, or two things into one file."""
    seen = {path.resolve(): name for name, path in read.items()}
    for name, path in written.items():
        if path is None or path == STANDARD_OUTPUT:
            continue
        other = seen.get(path.resolve())
        if other is not None:
            fail(f"{name} and {other} are the same file, {path}", exit_codes.USAGE)
        seen[path.resolve()] = name

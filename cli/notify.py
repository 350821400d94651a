"""``arena notify``: fills, refusals, halts and alarms to wherever you are, by the services that apprise knows (mail, Telegram, Slack, ntfy, …).

A tool on ``bus.Subscriber`` like any other: it reads, and nothing waits for it. Off until somebody runs it, in a terminal or as one more program of
supervisord. Where messages go is in a file of one address a line, readable by its owner alone, because such addresses hold secrets.
"""

import importlib
import os
import stat
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from cli import exit_codes
from cli.api import settings_or_fail
from cli.notifications import ALARMS, TYPES, Outbox, Sender, text_of
from cli.output import fail

URLS_FILE = "notify-urls"
CLOSE_S_MAX = 10.0


def register(app: typer.Typer) -> None:
    app.command()(notify)


def notify(
    urls_file: Annotated[Path | None, typer.Option(help="One apprise address a line; default keys/notify-urls in ARENA_HOME.")] = None,
    types: Annotated[str, typer.Option(help="Event types, with commas.")] = ",".join(TYPES),
    per_minute: Annotated[int, typer.Option(min=1, help="Messages a minute; alarms are not counted out.")] = 10,
    once: Annotated[bool, typer.Option("--test", help="Send one message and stop.")] = False,
) -> None:
    """Send messages about events until Ctrl-C. Needs the extra `notify`."""
    settings = settings_or_fail()
    sender = _sender(urls_file or settings.keys_dir / URLS_FILE)
    outbox = Outbox(sender, per_minute=per_minute, clock=time.monotonic, complain=lambda text: print(text, file=sys.stderr))
    try:
        if once:
            outbox.put("RBOT Arena", "this is a test", alarm=True)
            return
        from bus import Subscriber

        wanted = {name.strip() for name in types.split(",") if name.strip()}
        for event in Subscriber(f"ipc://{settings.run_dir}/bus-sub.sock", types=wanted - {"gap", "reset"}, home=settings.home):
            if event.type in wanted:
                title, body = text_of(event.source, event.type, event.payload)
                outbox.put(title, body, alarm=event.type in ALARMS)
    except KeyboardInterrupt:
        pass
    finally:
        outbox.close(CLOSE_S_MAX)


def _sender(path: Path) -> Sender:
    try:
        status = path.stat()
    except FileNotFoundError:
        fail(f"{path} is missing: write one apprise address a line into it, then chmod 600 {path}", exit_codes.USAGE)
    if status.st_uid != os.getuid() or stat.S_IMODE(status.st_mode) & 0o077:
        fail(f"{path} can be read by others, and addresses hold secrets: chmod 600 {path}", exit_codes.USAGE)
    try:
        apprise: Any = importlib.import_module("apprise")
    except ImportError:
        fail("apprise is not installed: .venv/bin/pip install 'rbot-arena[notify]'", exit_codes.USAGE)
    sender = apprise.Apprise()
    lines = [line.strip() for line in path.read_text().splitlines()]
    addresses = [line for line in lines if line and not line.startswith("#")]
    bad = [number for number, address in enumerate(addresses, 1) if not sender.add(address)]
    if bad or not addresses:
        fail(f"{path}: address {bad[0]} is none that apprise knows" if bad else f"{path} holds no address", exit_codes.USAGE)
    return sender  # type: ignore[no-any-return]  # apprise has no types

"""``arena tail``: the event stream in a terminal, as the page narrates it."""

import json
from collections.abc import Iterator
from typing import Annotated, Any
from urllib.parse import urlencode

import typer

from cli import exit_codes
from cli.api import Api, NoAnswer
from cli.output import fail, print_json


def register(app: typer.Typer) -> None:
    app.command()(tail)


def tail(
    types: Annotated[str | None, typer.Option("--type", help="Comma-separated event types.")] = None,
    sources: Annotated[str | None, typer.Option("--source", help="Comma-separated sources: oanda, coinbase, rick.")] = None,
    instruments: Annotated[str | None, typer.Option("--instrument", help="Comma-separated instruments.")] = None,
    since: Annotated[str | None, typer.Option(help="A cursor: everything after it comes first.")] = None,
    last: Annotated[int, typer.Option("-n", min=0, max=500, help="How many past events come first.")] = 50,
    follow: Annotated[bool, typer.Option("--follow/--no-follow", help="Wait for more, or end after what there is.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, with its cursor in id.")] = False,
) -> None:
    """Show events as they happen, the last ones first, heartbeats only with --json or --type. Ctrl-C ends it."""
    api = Api.from_environment()
    wanted = {"types": types, "sources": sources, "instruments": instruments, "replay": last, "last_event_id": since}
    path = "/events?" + urlencode({key: value for key, value in wanted.items() if value is not None})
    try:
        for name, cursor, data in _frames(api.stream(path)):
            if name == "ready":
                if not follow:
                    return
                continue
            if as_json:
                print_json({"id": cursor, **data} if name is None else {"frame": name, **data})
            elif name is None and (types or data.get("type") != "heartbeat"):  # for people they come only when asked for, as on the page
                print(line(data), flush=True)
            else:
                print(f"-------- {name}: {json.dumps(data)}", flush=True)
    except NoAnswer as error:
        fail(f"no gateway answers at {api.url} ({error}). Is the arena running? Start it with: make up", exit_codes.UNREACHABLE)
    except KeyboardInterrupt:
        return


def _frames(lines: Iterator[bytes]) -> Iterator[tuple[str | None, str | None, dict[str, Any]]]:
    """``(event name or None, id or None, data)`` of each frame that carries data."""
    name = cursor = None
    data = b""
    for text in lines:
        if not text:
            if data:
                yield name, cursor, json.loads(data)
            name, data = None, b""
        elif text.startswith(b"data:"):
            data += text[5:].strip()
        elif text.startswith(b"id:"):
            cursor = text[3:].strip().decode()
        elif text.startswith(b"event:"):
            name = text[6:].strip().decode()


def line(event: dict[str, Any]) -> str:
    """One event in one line: server time, source, type, and what its payload says."""
    payload = event.get("payload") or {}
    clock = str(event.get("ts", ""))[11:19]
    if event.get("type") == "narration":
        return f"{clock} rick      {_printable(payload.get('text', ''))}"
    if event.get("type") == "heartbeat" and isinstance(programs := payload.get("programs"), dict):
        payload = {name: "silent" if beat.get("stale") else beat.get("status") for name, beat in programs.items() if isinstance(beat, dict)}
    said = " ".join(f"{key}={_printable(value)}" for key, value in payload.items() if value is not None)
    return f"{clock} {_printable(event.get('source', '')):9} {_printable(event.get('type', ''))} {said}"


def _printable(value: object) -> str:
    """Without control characters: what a venue wrote must not steer a terminal."""
    return "".join(character if character.isprintable() else "?" for character in str(value))

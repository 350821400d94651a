"""``arena paper reset``: a paper account begins anew, or takes up another feed. On the host, through the adapter's own socket."""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from bus.request_client import RequestClient
from cli.api import settings_or_fail
from cli.output import Json, fail, tell
from trading.errors import ArenaError

# A reset cancels and closes everything in one transaction; ten thousand open brackets take about a second.
RESET_S_MAX = 15

paper_app = typer.Typer(help="Paper accounts.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.add_typer(paper_app, name="paper")


@paper_app.callback()
def paper() -> None:
    """Paper accounts."""


@paper_app.command()
def reset(
    broker: Annotated[str, typer.Argument(help="oanda or coinbase")],
    adopt: Annotated[bool, typer.Option("--adopt", help="Keep orders and money, and let the feed of now decide about them.")] = False,
    as_json: Json = False,
) -> None:
    """Cancel and forget everything open and start with fresh money; or, with --adopt, go on with another feed. It is journalled."""
    answer = asyncio.run(_ask(broker, {"adopt": adopt}))
    done = "open orders now follow the present feed" if adopt else f"{answer['cancelled']} open orders are gone, the balance is {answer['balance']}"
    tell(f"{broker}: {done}", as_json=as_json, **answer)


async def _ask(broker: str, args: Mapping[str, object]) -> dict[str, Any]:
    settings = settings_or_fail()
    if not (settings.run_dir / f"{broker}-orders.sock").exists():
        fail(f"no adapter for {broker!r} runs in {settings.home}: start the arena with make up, and name oanda or coinbase")
    try:
        async with RequestClient(settings.orders_address(broker)) as client:
            reply = await client.call("paper.reset", args, timeout_s=RESET_S_MAX)
    except ArenaError as error:
        fail(f"{error.message} [{error.code}]")
    return dict(reply.result)

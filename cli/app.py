"""The ``arena`` command: every verb, one line each, and where it is done.

Tables on a terminal, ``--json`` for programs, exit codes of ``cli/exit_codes.py``. Heavy modules are imported by the verb that needs them, so that
``arena --help`` and ``arena cancel`` answer at once.
"""

from pathlib import Path
from typing import Annotated

import typer

from cli import backup, desk, keys, notify, orders, paper, replay, status, tail, trading_state, users
from cli.api import settings_or_fail

app = typer.Typer(
    name="arena", help="RBOT Arena: bracket orders for OANDA and Coinbase.", no_args_is_help=True, pretty_exceptions_enable=False, add_completion=True
)
orders.register(app)
desk.register(app)
paper.register(app)
replay.register(app)
status.register(app)
tail.register(app)
trading_state.register(app)
users.register(app)
backup.register(app)
keys.register(app)
notify.register(app)


@app.command()
def up(
    conf: Annotated[Path | None, typer.Option(help="Another supervisord.conf.")] = None,
) -> None:
    """Run the arena in the foreground: all programs under supervisord, until Ctrl-C."""
    from cli.up import run_up

    beside = Path(__file__).parent.parent
    shipped = next(path for path in (beside / "supervisord.conf", beside / "arena_conf" / "supervisord.conf") if path.exists())
    raise typer.Exit(run_up(settings_or_fail(), conf or shipped))


@app.command()
def version() -> None:
    """Say which version this is."""
    from importlib.metadata import version as installed

    print(installed("rbot-arena"))


def main() -> None:
    """The console script."""
    app()


if __name__ == "__main__":
    main()

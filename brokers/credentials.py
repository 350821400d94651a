"""Whether an adapter trades with real money: only when it is told to, and only with everything it needs.

``EXECUTION_ENABLED`` alone makes nothing live: a broker without credentials stays paper and says so; half of them is a mistake that must not pass
for none. While it is false no secret is read and no venue's code is loaded, whatever the environment holds. Each secret comes from ``NAME`` or,
better, from the file that ``NAME_FILE`` names (``runtime.secret_files``); ``brokers.access`` reads them.
"""

from collections.abc import Mapping

from runtime.program import CannotStart
from runtime.secret_files import is_given

NAMES: Mapping[str, tuple[str, ...]] = {
    "oanda": ("OANDA_API_TOKEN", "OANDA_ACCOUNT_ID"),
    "coinbase": ("COINBASE_API_KEY", "COINBASE_API_SECRET"),
}


def why_paper(source: str, *, execution_enabled: bool, environ: Mapping[str, str]) -> str | None:
    """Why the adapter of ``source`` trades paper, for its log; None when it trades real money.

    Raises:
        CannotStart: half a credential; paper in its place would be a silent lie.
    """
    if not execution_enabled:
        return "EXECUTION_ENABLED is not true"
    names = NAMES[source]
    missing = [name for name in names if not is_given(environ, name)]
    if len(missing) == len(names):
        return f"EXECUTION_ENABLED is true, but there are no credentials for {source}: {' and '.join(names)} are not set"
    if missing:
        given = [name for name in names if name not in missing]
        raise CannotStart(f"{' and '.join(given)} is set but {' and '.join(missing)} is not: set both to trade at {source}, or neither for paper")
    return None

"""Whether an adapter trades with real money: only when it is told to, and only with everything it needs.

Each secret is read from ``NAME`` or, better, from the file that ``NAME_FILE`` names. ``EXECUTION_ENABLED`` alone makes nothing live: a broker without
credentials stays paper and says so; half of them is a mistake that must not pass for none.
"""

from collections.abc import Mapping

from runtime.program import CannotStart

NAMES: Mapping[str, tuple[str, ...]] = {
    "oanda": ("OANDA_API_TOKEN", "OANDA_ACCOUNT_ID"),
    "coinbase": ("COINBASE_API_KEY", "COINBASE_API_SECRET"),
}


def why_paper(source: str, *, execution_enabled: bool, environ: Mapping[str, str]) -> str:
    """Why the adapter of ``source`` trades paper, for its log.

    Raises:
        CannotStart: half a credential; or all of it, as this version has no live adapter: paper in its place would be a silent lie.
    """
    if not execution_enabled:
        return "EXECUTION_ENABLED is not true"
    names = NAMES[source]
    missing = [name for name in names if not (environ.get(name) or environ.get(f"{name}_FILE"))]
    if len(missing) == len(names):
        return f"EXECUTION_ENABLED is true, but there are no credentials for {source}: {' and '.join(names)} are not set"
    if missing:
        given = [name for name in names if name not in missing]
        raise CannotStart(f"{' and '.join(given)} is set but {' and '.join(missing)} is not: set both to trade at {source}, or neither for paper")
    raise CannotStart(
        f"EXECUTION_ENABLED is true and the credentials for {source} are complete, but this version cannot trade live there: "
        f"unset EXECUTION_ENABLED to trade paper, or remove the credentials of {source}"
    )

"""What ends a replay before its time. Each is one sentence for a person; nothing has been written then."""

from pathlib import Path

from trading.errors import InvalidRequest


class PlanError(InvalidRequest):
    """A plan that cannot be replayed; ``details`` names ``file`` and, where one is to blame, ``line`` (the first line is 1)."""

    default_code = "PLAN_INVALID"

    def __init__(self, path: Path, message: str, *, line: int | None = None) -> None:
        where = {"file": path.name} if line is None else {"file": path.name, "line": line}
        super().__init__(f"{path.name}{'' if line is None else f' line {line}'}: {message}", details=where)
        self.line = line


class ReplayRefused(InvalidRequest):
    """A venue, an instrument or a setting that no replay can work with."""

    default_code = "REPLAY_REFUSED"

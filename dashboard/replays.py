"""The owners' journals as the dashboard reads them: by page, over their replay sockets, with patience for one that is just starting."""

from bus.replay import ReplayClient
from bus.tail import Page

# A page that is loaded right after a start should get its comments and not an error; one that asks of a dead narrator should not hang.
CONNECT_S_MAX = 1.0


class PatientReplay:
    """``client``, given a second to connect before it is asked."""

    def __init__(self, client: ReplayClient) -> None:
        self._client = client

    async def fetch(self, epoch: str | None, after: int, limit: int) -> Page:
        """See ``ReplayClient.fetch``; raises what it raises."""
        await self._client.wait_connected(CONNECT_S_MAX)
        return await self._client.fetch(epoch, after, limit)

"""What every Broker must do, as tests: ``BrokerContract`` for all of them, ``LiveContract`` for those with a venue.

A venue plugs in with one class: a ``World`` (or ``LiveWorld``) that opens its adapter, moves its market and makes calls go wrong. Then::

    class TestOandaKeepsTheContract(LiveContract):
        @pytest.fixture
        def world(self, ...) -> LiveWorld: ...

Everything is asked through the adapter's own sockets and read from its own journal, so what passes is what a gateway would see. Waits are for
something to come true, at most ``WAIT_S``.
"""

from tests.brokers.every_contract import BrokerContract
from tests.brokers.live_contract import LiveContract
from tests.brokers.worlds import CRYPTO, FOREX, LiveWorld, Quoted, Scene, Trouble, World

__all__ = ["CRYPTO", "FOREX", "BrokerContract", "LiveContract", "LiveWorld", "Quoted", "Scene", "Trouble", "World"]

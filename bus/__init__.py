"""The bus: envelope, topics, codec, sockets and journals; what programs of the arena, and tools of your own, meet on.

``from bus import Subscriber`` is what tools import. It is looked up when first used, so that importing one module of this package costs no other.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bus.subscriber import Subscriber

__all__ = ["Subscriber"]


def __getattr__(name: str) -> object:
    if name == "Subscriber":
        from bus.subscriber import Subscriber  # noqa: PLC0415 (only who asks for Subscriber pays for it)

        return Subscriber
    raise AttributeError(f"module 'bus' has no attribute {name!r}")

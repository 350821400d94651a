"""Requests: asking an adapter to do something, and being one that is asked. See docs/protocol.md, section 5.

async with RequestServer(address, handle, name="orders"): ...                  # bus/request_server.py
async with RequestClient(address) as client:                                   # bus/request_client.py
    reply = await client.call("order.place", ticket, ttl_ms=3000, timeout_s=3.0)
"""

from bus.request_client import ADAPTER_DOWN, RequestClient
from bus.request_messages import Reply, Request
from bus.request_server import ADAPTER_BUSY, RequestServer

__all__ = ["ADAPTER_BUSY", "ADAPTER_DOWN", "Reply", "Request", "RequestClient", "RequestServer"]

"""The fast way to a route and aiohttp's own must find the same."""

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from runtime.shortcuts import Shortcuts

ROUTES = [
    ("GET", "/"), ("GET", "/health"), ("GET", "/health/ready"), ("POST", "/b/{broker}/orders"), ("POST", "/b/{broker}/orders/preview"),
    ("GET", "/b/{broker}/orders"), ("GET", "/b/{broker}/orders/{order_id}"), ("DELETE", "/b/{broker}/orders/{order_id}"),
    ("GET", "/b/{broker}/account"),
]  # fmt: skip
PATHS = [
    "/", "//", "/health", "/health/", "/health/ready", "/healthy", "/b/oanda/orders", "/b//orders", "/b/oanda/orders/", "/b/oanda/orders/x-1",
    "/b/oanda/orders/preview", "/b/oanda/orders/preview/x", "/b/oanda/account", "/b/../orders", "/b/oanda", "/b", "", "/b/a.b/orders",
    "/b/{broker}/orders", "/b/a:b/orders", "/b/a@b/orders", "/b/'/orders", "/b/a;b/orders", "/b/a=b/orders",
]  # fmt: skip


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "PUT"])
async def test_both_ways_find_the_same_route_and_the_same_parameters(method: str) -> None:
    app, shortcuts = web.Application(), Shortcuts()
    for route_method, path in ROUTES:

        async def handler(_: web.Request) -> web.Response:
            return web.Response()

        shortcuts.add(app.router.add_route(route_method, path, handler), handler)
    found = 0
    for path in PATHS:
        quick = shortcuts.find(method, path)
        regular = await app.router.resolve(make_mocked_request(method, path or "/nothing"))
        if quick is None:
            assert regular.http_exception is not None, path
        else:
            found += 1
            assert regular.http_exception is None, path
            assert (quick[0], dict(quick[1])) == (regular.handler, dict(regular)), path
    assert (found > 0) is (method != "PUT")


@pytest.mark.parametrize("path", ["/b/oanda/orders?x=1", "/b/%6fanda/orders", "/b/oanda%2forders", "/b/oända/orders", "/b/oanda/orders#x"])
def test_what_is_not_plain_is_left_to_aiohttp(path: str) -> None:
    shortcuts = Shortcuts()
    app = web.Application()

    async def handler(_: web.Request) -> web.Response:
        return web.Response()

    shortcuts.add(app.router.add_route("GET", "/b/{broker}/orders", handler), handler)
    assert shortcuts.find("GET", path) is None

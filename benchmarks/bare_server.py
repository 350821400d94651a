"""The limit of the order path: an aiohttp server that reads a JSON body and answers one, and does nothing else.

python -m benchmarks.bare_server      prints its port
"""

import asyncio

from aiohttp import web

from runtime.program import loop_factory


async def order(request: web.Request) -> web.Response:
    body = await request.json()
    return web.json_response(
        {"ok": True, "order_id": "paper-oanda-1", "status": "PENDING", "mode": "paper", "instrument": body["instrument"]}, status=201
    )


async def main() -> None:
    app = web.Application()
    app.router.add_post("/brokers/oanda/orders", order)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(main())

"""Market data over HTTP: what it refuses, and who may ask."""

import aiohttp
import pytest

from tests.market_data.served import Server


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/quotes?instruments=EUR_SEK", 404, "UNKNOWN_INSTRUMENT"),
        ("/quotes?instruments=EUR_USD,", 404, "UNKNOWN_INSTRUMENT"),
        ("/quotes?instrument=EUR_USD", 400, "UNKNOWN_PARAMETER"),
        ("/quotes?instruments=EUR_USD&instruments=GBP_USD", 400, "INVALID_PARAMETER"),
        ("/candles", 400, "INVALID_PARAMETER"),
        ("/candles?instrument=EUR_USD,GBP_USD", 400, "INVALID_PARAMETER"),
        ("/candles?instrument=EUR_SEK", 404, "UNKNOWN_INSTRUMENT"),
        ("/candles?instrument=EUR_USD&granularity=M2", 400, "INVALID_PARAMETER"),
        ("/candles?instrument=EUR_USD&count=0", 400, "INVALID_PARAMETER"),
        ("/candles?instrument=EUR_USD&count=5001", 400, "INVALID_PARAMETER"),
        ("/candles?instrument=EUR_USD&count=ten", 400, "INVALID_PARAMETER"),
        ("/candles?instrument=EUR_USD&from=yesterday", 400, "INVALID_PARAMETER"),
        ("/candles?instrument=EUR_USD&from=2025-11-24T14:00:00", 400, "INVALID_PARAMETER"),
        ("/candles?instrument=EUR_USD&from=20&to=10", 400, "INVALID_PARAMETER"),
        ("/stream?instruments=EUR_SEK", 404, "UNKNOWN_INSTRUMENT"),
        ("/nothing", 404, "ROUTE_NOT_FOUND"),
    ],
)
async def test_a_question_that_makes_no_sense_is_refused_by_name(server: Server, path: str, status: int, code: str):
    got, answer = await server.get(path)
    assert (got, answer["ok"], answer["code"]) == (status, False, code)
    assert answer["message"]
    assert answer["request_id"]


async def test_a_foreign_host_header_is_refused(server: Server):
    async with aiohttp.ClientSession() as session, session.get(server.url + "/quotes", headers={"Host": "evil.example"}) as answer:
        assert answer.status == 421


@pytest.mark.parametrize("path", ["/quotes", "/instruments", "/candles?instrument=EUR_USD", "/stream", "/metrics"])
async def test_where_reads_need_a_token_there_is_no_answer_without_one(guarded: Server, path: str):
    assert (await guarded.get(path))[0] == 401
    assert (await guarded.get(path, token="forged"))[0] == 401
    if path != "/stream":
        assert (await guarded.get(path, token="good"))[0] == 200


async def test_strangers_learn_that_the_program_lives_and_no_more(guarded: Server):
    assert await guarded.get("/health") == (200, {"ok": True, "program": "market_data"})

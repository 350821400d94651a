"""The shared server on a real port: head checks, limits, waits, and the one shape of every refusal."""

import asyncio
import json
import logging
from pathlib import Path

import pytest

from runtime.http import Listener
from runtime.settings import HttpSettings
from tests.runtime.http_example import OK_BODY, Example, check_guarded, head, refusal, serving
from tests.runtime.raw_http import exchange, is_closed, read_answer


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "ROUTE_NOT_FOUND"),
        ("GET", "/echo", 405, "METHOD_NOT_ALLOWED"),
        ("OPTIONS", "/echo", 405, "METHOD_NOT_ALLOWED"),
        ("TRACE", "/echo", 405, "METHOD_NOT_ALLOWED"),
        ("PROPFIND", "/echo", 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/fail", 500, "INTERNAL"),
        ("GET", "/page?colour=red", 400, "UNKNOWN_PARAMETER"),
        ("GET", "/page?limit=1&limit=2", 400, "INVALID_PARAMETER"),
        ("GET", "/page?limit=many", 400, "INVALID_PARAMETER"),
        ("GET", "/fail?x=1", 400, "UNKNOWN_PARAMETER"),
        ("GET", "http://evil.example/page", 400, "HTTP_MALFORMED"),
        ("GET", "/slow", 503, "TIMED_OUT"),
    ],
)
async def test_every_refusal_has_one_shape(server: Listener, method: str, path: str, status: int, code: str) -> None:
    assert refusal(await exchange(server.port, head(method, path, server.port))) == (status, code)


async def test_a_405_says_what_is_allowed(server: Listener) -> None:
    _, headers, _ = await exchange(server.port, head("GET", "/echo", server.port))
    assert headers["allow"] == "POST"


async def test_an_error_of_ours_is_logged_with_its_id_and_tells_the_client_nothing(server: Listener, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        _, _, raw = await exchange(server.port, head("GET", "/fail", server.port, {"X-Request-ID": "my-id.1"}))
    assert json.loads(raw)["request_id"] == "my-id.1"
    assert b"secret" not in raw
    assert any(getattr(record, "request_id", "") == "my-id.1" and record.exc_info for record in caplog.records)


@pytest.mark.parametrize("bad", ["a b", "x" * 65, "<script>", "a\tb", "é", ""])
async def test_a_request_id_of_another_form_is_replaced(server: Listener, bad: str) -> None:
    _, headers, _ = await exchange(server.port, head("GET", "/page", server.port, {"X-Request-ID": bad}))
    assert headers["x-request-id"] not in {bad, ""}


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:{port}", 200),
        ("localhost:{port}", 200),
        ("LocalHost:{port}", 200),
        ("[::1]:{port}", 200),
        ("127.0.0.1", 421),
        ("localhost", 421),
        ("127.0.0.1:80", 421),
        ("evil.example", 421),
        ("evil.example:{port}", 421),
        ("127.0.0.1.evil.example:{port}", 421),
        ("127.0.0.1:{port}@evil.example", 421),
        ("0.0.0.0:{port}", 421),
        ("", 421),
    ],
)
async def test_only_our_own_hosts_are_answered(server: Listener, host: str, status: int) -> None:
    answer = await exchange(server.port, head("GET", "/page", server.port, {"Host": host.format(port=server.port)}))
    assert answer[0] == status
    if status == 421:
        assert refusal(answer) == (421, "HOST_NOT_ALLOWED")
    for path in ("/nothing", "/docs", "/openapi.json"):
        assert (await exchange(server.port, head("GET", path, server.port, {"Host": "evil.example"})))[0] == 421, "before routing"


async def test_no_host_and_two_hosts_are_refused(server: Listener) -> None:
    assert (await exchange(server.port, b"GET /page HTTP/1.1\r\n\r\n"))[0] in {400, 421}
    assert (await exchange(server.port, b"GET /page HTTP/1.0\r\n\r\n"))[0] == 421
    twice = f"GET /page HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nHost: evil.example\r\n\r\n".encode()
    assert (await exchange(server.port, twice))[0] == 400


@pytest.mark.parametrize("version", ["2.0", "0.9", "1.2", "3.0"])
async def test_another_http_version_is_505_or_no_http_at_all(server: Listener, version: str) -> None:
    status, code = refusal(await exchange(server.port, head("GET", "/page", server.port, version=version)))
    assert (status, code) in {(505, "HTTP_VERSION_NOT_SUPPORTED"), (400, "HTTP_MALFORMED")}
    assert (await exchange(server.port, head("GET", "/page", server.port, version="1.0")))[0] == 200


@pytest.mark.parametrize(
    ("origin", "site", "status"),
    [
        (None, None, 200),
        ("http://127.0.0.1:{port}", None, 200),
        ("http://localhost:{port}", "same-origin", 200),
        ("http://127.0.0.1:{port}", "none", 200),
        ("http://evil.example", None, 403),
        ("http://127.0.0.1:1", None, 403),
        ("https://127.0.0.1:{port}", None, 403),
        ("http://127.0.0.1:{port}.evil.example", None, 403),
        ("null", None, 403),
        ("", None, 403),
        (None, "cross-site", 403),
        (None, "same-site", 403),
        ("http://127.0.0.1:{port}", "cross-site", 403),
    ],
)
async def test_a_change_comes_from_our_own_pages_or_from_no_page(server: Listener, origin: str | None, site: str | None, status: int) -> None:
    headers = {}
    if origin is not None:
        headers["Origin"] = origin.format(port=server.port)
    if site is not None:
        headers["Sec-Fetch-Site"] = site
    answer = await exchange(server.port, head("POST", "/echo", server.port, headers, OK_BODY))
    assert answer[0] == status
    if status == 403:
        assert refusal(answer)[1] in {"ORIGIN_NOT_ALLOWED", "CROSS_SITE"}
    assert (await exchange(server.port, head("GET", "/page", server.port, headers)))[0] == 200, "looking is the browser's own affair: no CORS"


async def test_an_allowed_origin_is_allowed_and_still_gets_no_cors_header(example: Example, tmp_path: Path) -> None:
    http = HttpSettings(allowed_origins=("https://desk.example",), allowed_hosts=("desk.example",))
    async with serving(example, tmp_path, http=http) as server:
        headers = {"Origin": "https://desk.example", "Host": "desk.example"}
        status, answered, _ = await exchange(server.port, head("POST", "/echo", server.port, headers, OK_BODY))
        assert status == 200
        check_guarded(answered)


async def test_a_stream_is_not_opened_for_a_page_of_another_site(server: Listener) -> None:
    assert refusal(await exchange(server.port, head("GET", "/stream", server.port, {"Sec-Fetch-Site": "cross-site"}))) == (403, "CROSS_SITE")
    for site in ("same-origin", "same-site", "none"):
        assert (await exchange(server.port, head("GET", "/stream", server.port, {"Sec-Fetch-Site": site})))[0] == 200


async def test_streams_carry_the_guarding_headers_and_an_id(server: Listener) -> None:
    _, headers, _ = await exchange(server.port, head("GET", "/stream", server.port))
    check_guarded(headers)
    assert headers["x-request-id"] != "-"


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "identity", "x"])
async def test_any_content_encoding_is_415_and_the_end_of_the_connection(server: Listener, encoding: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(head("POST", "/echo", server.port, {"Content-Encoding": encoding}, OK_BODY))
    answer = await read_answer(reader)
    assert refusal(answer) == (415, "CONTENT_ENCODING_NOT_SUPPORTED")
    assert answer[1]["connection"] == "close"
    assert await is_closed(reader, 5)
    writer.close()


async def test_a_body_wants_its_type_where_the_table_says_so(server: Listener) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/jsonp", "text/json"):
        assert refusal(await exchange(server.port, head("POST", "/echo", server.port, {"Content-Type": kind}, OK_BODY))) == (
            415,
            "UNSUPPORTED_MEDIA_TYPE",
        )
        assert (await exchange(server.port, head("POST", "/loose", server.port, {"Content-Type": kind}, OK_BODY)))[0] == 200


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\x01\x02\r\n\r\n",
        b"GET / HTTP/1.1 extra\r\n\r\n",
        b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /page HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 9000 + b"\r\n\r\n",
        b"GET /page HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X%d: 1\r\n" % n for n in range(100)) + b"\r\n",
        b"GET /page HTTP/1.1\r\nHost: x\r\nBad Header: 1\r\n\r\n",
        b"GET /page HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"GET /page HTTP/1.1\nHost: x\n\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
async def test_what_is_not_http_or_too_large_a_head_is_refused_and_the_server_goes_on(server: Listener, data: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(data.replace(b"Host: x", b"Host: 127.0.0.1:%d" % server.port))
    async with asyncio.timeout(30):
        answer = await read_answer(reader)
    assert refusal(answer)[0] in {400, 405, 413, 421, 431, 505}
    writer.close()
    assert (await exchange(server.port, head("GET", "/page", server.port)))[0] == 200


async def test_chunks_that_are_not_http_are_400(server: Listener) -> None:
    headers = {"Transfer-Encoding": "chunked", "Content-Type": "application/json"}
    answer = await exchange(server.port, head("POST", "/echo", server.port, headers) + b"zz\r\nhello\r\n0\r\n\r\n")
    assert refusal(answer)[0] == 400


async def test_the_second_request_of_a_smuggled_pair_is_not_served(server: Listener) -> None:
    """Content-Length and Transfer-Encoding together: one answer, an error, and the connection ends."""
    body = b"0\r\n\r\nGET /page HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % server.port
    request = head("POST", "/loose", server.port, {"Content-Length": "4", "Transfer-Encoding": "chunked", "Content-Type": "text/plain"}) + body
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(request)
    async with asyncio.timeout(30):
        assert (await read_answer(reader))[0] == 400
        rest = await reader.read()
    assert rest == b""
    writer.close()


async def test_pipelined_requests_are_answered_in_order_on_one_connection(server: Listener) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"".join(head("GET", "/page", server.port, {"X-Request-ID": f"id-{n}"}) for n in range(5)))
    for n in range(5):
        assert (await read_answer(reader))[1]["x-request-id"] == f"id-{n}"
    writer.close()


async def test_expect_is_answered_or_refused(server: Listener) -> None:
    data = head("POST", "/echo", server.port, {"Expect": "100-continue", "Content-Type": "application/json", "Content-Length": "12"})
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(data)
    assert (await read_answer(reader))[0] == 100
    writer.write(OK_BODY)
    assert (await read_answer(reader))[0] == 200
    writer.close()
    assert refusal(await exchange(server.port, head("POST", "/echo", server.port, {"Expect": "miracles"}, OK_BODY))) == (417, "EXPECTATION_FAILED")
    assert refusal(await exchange(server.port, head("GET", "/nothing", server.port, {"Expect": "miracles"})))[0] in {404, 417}

"""Raw bytes to a server and what comes back, for heads that no HTTP client would send."""

import asyncio
import re

Parsed = tuple[int, dict[str, str], bytes]


async def exchange(port: int, data: bytes, *, wait_s: float = 5.0) -> Parsed:
    """Send ``data`` on a connection of its own and return the first answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        async with asyncio.timeout(wait_s):
            return await read_answer(reader)
    finally:
        writer.close()


async def read_answer(reader: asyncio.StreamReader) -> Parsed:
    """One answer: status, headers in lower case, body."""
    raw = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = raw.rstrip().split("\r\n")
    found = re.match(r"HTTP/1\.[01] (\d{3}) ", first)
    assert found, first
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers["content-length"])) if "content-length" in headers else b""
    return int(found[1]), headers, body


async def is_closed(reader: asyncio.StreamReader, wait_s: float) -> bool:
    """Whether the server ends the connection within ``wait_s`` (whatever it says before)."""
    try:
        async with asyncio.timeout(wait_s):
            while await reader.read(65_536):
                pass
    except TimeoutError:
        return False
    except ConnectionError:
        return True
    return True

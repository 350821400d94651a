"""The built page from memory: what is served how, and what never is."""

import asyncio
import gzip
from pathlib import Path

import aiohttp
import pytest

from dashboard.static_files import load_static_files
from tests.dashboard.conftest import Desk, running_desk, said

SCRIPT = b"export const answer = 42;\n" * 100


@pytest.fixture
def static(home: Path) -> Path:
    directory = home / "static"
    (directory / "assets").mkdir(parents=True)
    (directory / "index.html").write_text("<!doctype html><title>RICK Trading Dashboard</title>")
    (directory / "assets" / "index.0123456789.js").write_bytes(SCRIPT)
    (directory / "icon.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    return directory


async def test_the_page_is_asked_for_anew_and_its_assets_never_again(home: Path, static: Path) -> None:
    """index.html no-cache, hashed files immutable, both behind the strict policy."""
    async with running_desk(home, static=load_static_files(static)) as desk:
        async with desk.browser.get(f"{desk.url}/") as page:
            assert page.status == 200
            assert "RICK Trading Dashboard" in await page.text()
            assert page.headers["Cache-Control"] == "no-cache"
            assert page.headers["Content-Type"] == "text/html; charset=utf-8"
            assert "trusted-types arena" in page.headers["Content-Security-Policy"]
        async with desk.browser.get(f"{desk.url}/assets/index.0123456789.js") as script:
            assert await script.read() == SCRIPT
            assert "immutable" in script.headers["Cache-Control"]
            assert script.headers["Content-Type"].startswith("text/javascript")
        async with desk.browser.get(f"{desk.url}/icon.svg") as icon:
            assert icon.headers["Content-Type"] == "image/svg+xml"


async def test_what_the_browser_has_costs_no_body(home: Path, static: Path) -> None:
    async with running_desk(home, static=load_static_files(static)) as desk:
        async with desk.browser.get(f"{desk.url}/") as page:
            etag = page.headers["ETag"]
        async with desk.browser.get(f"{desk.url}/", headers={"If-None-Match": etag}) as again:
            assert (again.status, await again.read(), again.headers["ETag"]) == (304, b"", etag)
        async with desk.browser.get(f"{desk.url}/", headers={"If-None-Match": '"other"'}) as other:
            assert other.status == 200


async def test_files_go_compressed_to_who_takes_them_so(home: Path, static: Path) -> None:
    async with running_desk(home, static=load_static_files(static)) as desk, aiohttp.ClientSession(auto_decompress=False) as plain:
        url = f"{desk.url}/assets/index.0123456789.js"
        async with plain.get(url, headers={"Accept-Encoding": "gzip"}) as packed:
            assert packed.headers["Content-Encoding"] == "gzip"
            assert gzip.decompress(await packed.read()) == SCRIPT
        async with plain.get(url, headers={"Accept-Encoding": "identity"}) as unpacked:
            assert await unpacked.read() == SCRIPT


@pytest.mark.parametrize(
    "path",
    [
        "/assets/../../secret.txt",
        "/assets/%2e%2e/secret.txt",
        "/assets/..%2f..%2fsecret.txt",
        "/.env",
        "/assets/",
        "/assets/missing.js",
        "/index.html/x",
    ],
)
async def test_no_path_reaches_the_disk(home: Path, static: Path, path: str) -> None:
    """What is not in the map is not there, whatever lies beside it."""
    (home / "secret.txt").write_text("secret")
    (static / ".env").write_text("secret")
    async with running_desk(home, static=load_static_files(static)) as desk:
        reader, writer = await asyncio.open_connection("127.0.0.1", desk.port)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{desk.port}\r\nConnection: close\r\n\r\n".encode())
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
    assert answer.split()[1] == b"404"
    assert b"secret" not in answer.replace(b"secret.txt", b"")


async def test_a_file_put_there_later_is_not_served(home: Path, static: Path) -> None:
    async with running_desk(home, static=load_static_files(static)) as desk:
        (static / "assets" / "late.js").write_text("late")
        status, body = await desk.get("/assets/late.js")
        assert (status, said(body)) == (404, "FILE_NOT_FOUND")


async def test_a_page_that_is_not_built_says_what_to_run(desk: Desk) -> None:
    async with desk.browser.get(f"{desk.url}/") as page:
        text = await page.text()
        assert page.status == 200
        assert "<title>RICK Trading Dashboard</title>" in text
        assert "make install" in text


def test_the_build_id_is_that_of_the_files(static: Path) -> None:
    """Same files, same id; one byte or one name different, another id."""
    one = load_static_files(static).build
    assert one == load_static_files(static).build
    assert len(one) == 16
    (static / "icon.svg").write_text("<svg/>")
    two = load_static_files(static).build
    (static / "icon.svg").rename(static / "logo.svg")
    assert len({one, two, load_static_files(static).build}) == 3


def test_links_hidden_files_and_unknown_types_are_left_out(static: Path, tmp_path: Path) -> None:
    (tmp_path / "outside.js").write_text("x")
    (static / "link.js").symlink_to(tmp_path / "outside.js")
    (static / "assets" / "dir").symlink_to(tmp_path, target_is_directory=True)
    (static / ".hidden.js").write_text("x")
    (static / "program.exe").write_text("x")
    (static / "odd{name}.js").write_text("x")
    assert sorted(load_static_files(static).files) == ["assets/index.0123456789.js", "icon.svg", "index.html"]


async def test_the_server_says_that_it_is_alive_and_describes_itself(desk: Desk) -> None:
    assert (await desk.get("/health"))[1]["ok"] is True
    document = (await desk.get("/openapi.json"))[1]
    assert {"/api/narration", "/api/session", "/api/status", "/arena/events"} <= set(document["paths"])  # type: ignore[arg-type]

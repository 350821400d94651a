"""The built page, held in memory: a fixed map from path to file, made once at start.

No path of a request ever touches the disk (S-H6): what is not in the map does not exist. Files below ``assets/`` carry a hash of their content in
their names and may be cached for ever; everything else is asked for anew each time (``no-cache``), and a matching ETag costs no body. The build id
is a hash over the whole map: a page that was loaded from another build finds out by the ``ready`` frame of its stream.
"""

import gzip
import hashlib
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from runtime.http import ApiError, Route, file_answer

STATIC_DIR = Path(__file__).parent / "static"
FILE_BYTES_MAX = 8 * 1024 * 1024
FILES_MAX = 500
GZIP_BYTES_MIN = 1024  # below a packet's size, compressing saves nothing

_TYPES: Mapping[str, str] = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".webmanifest": "application/manifest+json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8",
    ".md": "text/plain; charset=utf-8",
}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,200}")

_NOT_BUILT = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>RICK Trading Dashboard</title><meta name="viewport" content="width=device-width"></head>
<body>
<h1>RICK Trading Dashboard</h1>
<p>The page has not been built yet. In the folder of the arena run</p>
<pre>make install</pre>
<p>(or <code>.venv/bin/python hatch_build.py</code>), then start the dashboard again: <code>arena up</code> or <code>make up</code>.</p>
<p>Everything else works meanwhile: <a href="/docs">what this server answers</a>, and <code>curl -N</code> on <code>/arena/events</code>.</p>
</body>
</html>
"""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticFile:
    """One file as it is sent; ``packed`` is its gzip form where that is shorter."""

    body: bytes
    content_type: str
    etag: str
    cache_control: str
    packed: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticFiles:
    """The map, and the build it is."""

    files: Mapping[str, StaticFile]
    build: str

    @property
    def is_built(self) -> bool:
        return "index.html" in self.files

    async def index(self, request: web.Request) -> web.StreamResponse:
        """``GET /``."""
        if not self.is_built:
            return file_answer(_NOT_BUILT.encode(), _TYPES[".html"], {"Cache-Control": "no-cache"})
        return self._answer(request, "index.html")

    async def file(self, request: web.Request) -> web.StreamResponse:
        """``GET /assets/…`` and the other files by their own path."""
        return self._answer(request, request.path.removeprefix("/"))

    def routes(self) -> list[Route]:
        """A route for the page, one for its assets, and one for each file beside it."""
        beside = [name for name in self.files if name != "index.html" and not name.startswith("assets/")]
        return [
            Route(
                method="GET", path="/", handler=self.index, summary="The page", auth="public", tag="page", content_type="text/html", free_query=True
            ),
            Route(
                method="GET",
                path="/assets/{name:.+}",
                handler=self.file,
                summary="Its scripts and styles",
                auth="public",
                tag="page",
                content_type="*/*",
                codes={404: ("FILE_NOT_FOUND",)},
            ),
            *(
                Route(
                    method="GET",
                    path=f"/{name}",
                    handler=self.file,
                    summary="A file of the page",
                    auth="public",
                    tag="page",
                    content_type=self.files[name].content_type.partition(";")[0],
                )
                for name in sorted(beside)
            ),
        ]

    def _answer(self, request: web.Request, name: str) -> web.StreamResponse:
        found = self.files.get(name)
        if found is None:
            raise ApiError(404, "FILE_NOT_FOUND", "the page has no such file; reload the page, it may be of an older build")
        headers = {"Cache-Control": found.cache_control, "ETag": found.etag, "Vary": "Accept-Encoding"}
        if found.etag in request.headers.get("If-None-Match", ""):
            answer = file_answer(b"", found.content_type, headers)
            answer.set_status(web.HTTPNotModified.status_code)
            return answer
        if found.packed is not None and "gzip" in request.headers.get("Accept-Encoding", ""):
            return file_answer(found.packed, found.content_type, {**headers, "Content-Encoding": "gzip"})
        return file_answer(found.body, found.content_type, headers)


def load_static_files(directory: Path = STATIC_DIR) -> StaticFiles:
    """The files below ``directory``; an empty map when the page is not built.

    Hidden files, links, files of an unknown type and files over 8 MiB are left out; the log names them.
    """
    files: dict[str, StaticFile] = {}
    build = hashlib.blake2b(digest_size=8)
    for path in sorted(directory.rglob("*")) if directory.is_dir() else ():
        if path.is_dir() and not path.is_symlink():
            continue
        name = path.relative_to(directory).as_posix()
        if any(part.startswith(".") for part in name.split("/")):
            continue
        plain_name = _NAME.fullmatch(name) is not None
        content_type = _TYPES.get(path.suffix)
        if path.is_symlink() or not plain_name or content_type is None or path.stat().st_size > FILE_BYTES_MAX or len(files) >= FILES_MAX:
            log.warning("a file of the page is left out", extra={"file": name})
            continue
        body = path.read_bytes()
        build.update(f"{name}\0{len(body)}\0".encode() + body)
        files[name] = _static_file(name, body, content_type)
    if "index.html" not in files:
        log.warning("the page is not built: run make install, then start again", extra={"directory": str(directory)})
    return StaticFiles(files=files, build=build.hexdigest())


def _static_file(name: str, body: bytes, content_type: str) -> StaticFile:
    packed = gzip.compress(body, mtime=0) if len(body) >= GZIP_BYTES_MIN and not content_type.startswith(("image/png", "font/")) else None
    return StaticFile(
        body=body,
        content_type=content_type,
        etag=f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"',
        cache_control="public, max-age=31536000, immutable" if name.startswith("assets/") else "no-cache",
        packed=packed if packed is not None and len(packed) < len(body) else None,
    )

"""Bodies in and answers out: compact JSON, as the venue writes it."""

import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from tests.venues.coinbase.refusals import BadRequest


def reply(body: Mapping[str, object], *, status: int = 200) -> web.Response:
    """``body`` as JSON without blanks: the vendor's own SDK looks for a piece of text in it."""
    return web.Response(status=status, body=json.dumps(body, separators=(",", ":")).encode(), content_type="application/json")


async def body_of(request: web.Request) -> dict[str, Any]:
    """The JSON object of a POST. Raises BadRequest for anything else."""
    try:
        body = json.loads(await request.read())
    except ValueError:
        raise BadRequest("the body is no JSON") from None
    if not isinstance(body, dict):
        raise BadRequest("the body is no JSON object")
    return body

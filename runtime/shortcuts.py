"""Finding a route by its path's segments: a third of the time of aiohttp's regular expressions, which every order would pay. What a path came to is
remembered, so that the path of every order is taken apart once.

Only plain paths are found here. What has a query or an escaped character, and what nothing matches, goes to aiohttp's router, which also knows how to
say 404 and 405; so both must agree, and a test holds them to it.
"""

import re

from aiohttp import web

from runtime.routes import Handler

REMEMBERED_MAX = 512

_SPECIAL = re.compile(r"[^A-Za-z0-9/._~:@!$&'()*+,;=-]")
_Found = tuple[Handler, web.UrlMappingMatchInfo]


class _Pattern:
    __slots__ = ("endpoint", "literals", "names", "route")

    def __init__(self, path: str, route: web.AbstractRoute, endpoint: Handler) -> None:
        segments = list(enumerate(path.split("/")))
        self.literals = [(index, text) for index, text in segments if not text.startswith("{")]
        self.names = [(index, text.strip("{}")) for index, text in segments if text.startswith("{")]
        self.route = route
        self.endpoint = endpoint


class Shortcuts:
    """Routes by method and number of segments, in the order they were added."""

    def __init__(self) -> None:
        self._patterns: dict[tuple[str, int], list[_Pattern]] = {}
        self._remembered: dict[tuple[str, str], tuple[_Pattern, dict[str, str]]] = {}

    def add(self, route: web.AbstractRoute, endpoint: Handler) -> None:
        """Take up ``route``, whose path has whole segments as parameters."""
        assert route.resource is not None
        path = route.resource.canonical
        self._patterns.setdefault((route.method, path.count("/")), []).append(_Pattern(path, route, endpoint))

    def find(self, method: str, raw_path: str) -> _Found | None:
        """The endpoint for ``raw_path`` and its parameters, or None."""
        found = self._remembered.get((method, raw_path))
        if found is None:
            found = self._match(method, raw_path)
            if found is None:
                return None
            if len(self._remembered) >= REMEMBERED_MAX:  # paths with order ids in them: the usual ones are back at once
                self._remembered.clear()
            self._remembered[method, raw_path] = found
        pattern, parameters = found
        return pattern.endpoint, web.UrlMappingMatchInfo(parameters, pattern.route)

    def _match(self, method: str, raw_path: str) -> tuple[_Pattern, dict[str, str]] | None:
        if _SPECIAL.search(raw_path) is not None:
            return None
        segments = raw_path.split("/")
        for pattern in self._patterns.get((method, len(segments) - 1), ()):
            for index, text in pattern.literals:
                if segments[index] != text:
                    break
            else:
                parameters = {name: segments[index] for index, name in pattern.names}
                if all(parameters.values()):
                    return pattern, parameters
        return None

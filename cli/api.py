"""The gateway as the commands see it: one blocking call, one answer.

Where it is comes from ``ARENA_URL``, else from the settings of the arena in ``ARENA_HOME``; who asks comes from ``ARENA_TOKEN`` (an access
token or an API key), else from the session that ``arena login`` left in ``keys/cli-session.json``, renewed by its refresh token when it ran out.
"""

import json
import os
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any, NoReturn

from cli import exit_codes
from cli.output import fail
from runtime.own_servers import gateway_url, own_certificate
from runtime.settings import Settings, SettingsError, load_settings

# Longer than the gateway's own 10 s for a live order: its answer, even 202, is worth waiting for.
ANSWER_S_MAX = 20
_RENEW_BEFORE_S = 30
# A line that broke, also in the middle of an answer.
_BROKEN = (urllib.error.URLError, TimeoutError, ConnectionError, HTTPException)


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer: the status and the decoded body; numbers with a point are Decimal."""

    status: int
    body: dict[str, Any]
    headers: Mapping[str, str]

    @property
    def ok(self) -> bool:
        return self.status < 300 and self.status != 202


class NoAnswer(Exception):
    """Nothing listens there, or it did not answer in time. ``was_sent`` is false only where nothing can have arrived."""

    def __init__(self, reason: BaseException) -> None:
        cause = getattr(reason, "reason", reason)
        super().__init__(str(cause))
        self.was_sent = not isinstance(cause, ConnectionRefusedError | socket.gaierror)


def settings_or_fail() -> Settings:
    try:
        return load_settings(os.environ)
    except SettingsError as error:
        fail(str(error), exit_codes.USAGE)


class Api:
    """Calls to one gateway."""

    def __init__(self, url: str, session_file: Path, token: str | None, *, tls: ssl.SSLContext | None = None) -> None:
        self.url = url.rstrip("/")
        self._tls = tls
        self._session_file = session_file
        self._token = token

    @classmethod
    def from_environment(cls) -> "Api":
        settings = settings_or_fail()
        elsewhere = os.environ.get("ARENA_URL")
        tls = None if elsewhere else _own_tls(settings)
        return cls(elsewhere or gateway_url(settings), settings.keys_dir / "cli-session.json", os.environ.get("ARENA_TOKEN"), tls=tls)

    @classmethod
    def of_server(cls, settings: Settings, url: str) -> "Api":
        """One of this arena's own servers, asked by nobody in particular."""
        return cls(url, settings.keys_dir / "none", None, tls=_own_tls(settings))

    def call(self, method: str, path: str, body: object = None, *, headers: Mapping[str, str] | None = None, anonymous: bool = False) -> Answer:
        """The answer of ``method path``, whatever its status.

        Raises:
            NoAnswer: the gateway is not there. Nothing was received, but an order may have been sent: look it up by its id.
        """
        try:
            with self._answered(method, path, body, headers or {}, anonymous=anonymous) as response:
                return Answer(response.status or 0, _decode(response.read()), dict(response.headers))
        except _BROKEN as error:
            raise NoAnswer(error) from error

    def stream(self, path: str) -> Iterator[bytes]:
        """The lines of an event stream, without their line ends, until the server ends it.

        Raises:
            NoAnswer: the gateway is not there, or the stream broke.
        """
        # The server writes a comment each 15 s, so a silent minute is a broken line.
        try:
            with self._open("GET", path, None, {"Accept": "text/event-stream"}, anonymous=False, timeout_s=60) as response:
                for line in response:
                    yield line.rstrip(b"\r\n")
        except urllib.error.HTTPError as error:
            with error:
                body = _decode(error.read())
            fail(describe(Answer(error.code, body, {})))
        except _BROKEN as error:
            raise NoAnswer(error) from error

    def login(self, email: str, password: str) -> Answer:
        answer = self.call("POST", "/auth/login", {"email": email, "password": password}, anonymous=True)
        if answer.ok:
            self._keep(answer.body)
        return answer

    def logout(self) -> Answer:
        session = self._session()
        answer = self.call("POST", "/auth/logout", {"refresh_token": session["refresh_token"]} if "refresh_token" in session else {})
        self._session_file.unlink(missing_ok=True)
        return answer

    def _answered(
        self, method: str, path: str, body: object, headers: Mapping[str, str], *, anonymous: bool
    ) -> HTTPResponse | urllib.error.HTTPError:
        try:
            return self._open(method, path, body, headers, anonymous=anonymous, timeout_s=ANSWER_S_MAX)
        except urllib.error.HTTPError as error:  # a refusal is an answer
            return error

    def _open(self, method: str, path: str, body: object, headers: Mapping[str, str], *, anonymous: bool, timeout_s: float) -> HTTPResponse:
        data = None if body is None else json.dumps(body, default=str).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method, headers={"Content-Type": "application/json", **headers})  # noqa: S310 - the scheme is checked below
        if not self.url.startswith(("http://", "https://")):
            fail(f"ARENA_URL is {self.url!r}: it must start with http:// or https://", exit_codes.USAGE)
        token = None if anonymous else self._bearer()
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        # No proxy from the environment: a trading command talks to the gateway it was told, and to nobody else.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=self._tls))
        response: HTTPResponse = opener.open(request, timeout=timeout_s)
        return response

    def _bearer(self) -> str | None:
        if self._token:
            return self._token
        session = self._session()
        if session.get("expires_at", 0) > time.time() + _RENEW_BEFORE_S:
            return str(session["access_token"])
        if "refresh_token" not in session:
            return None
        answer = self.call("POST", "/auth/refresh", {"refresh_token": session["refresh_token"]}, anonymous=True)
        if not answer.ok:
            return None
        self._keep(answer.body)
        return str(answer.body["access_token"])

    def _session(self) -> dict[str, Any]:
        try:
            session = json.loads(self._session_file.read_text())
        except (OSError, ValueError):
            return {}
        return session if isinstance(session, dict) and session.get("url") == self.url else {}

    def _keep(self, login: Mapping[str, Any]) -> None:
        """Write the session for its owner alone, whole or not at all."""
        self._session_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        session = {
            "url": self.url,
            "access_token": login["access_token"],
            "refresh_token": login.get("refresh_token"),
            "expires_at": time.time() + int(login["expires_in"]),
        }
        draft = self._session_file.with_suffix(".new")
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(session, file)
        draft.replace(self._session_file)


def _own_tls(settings: Settings) -> ssl.SSLContext | None:
    try:
        tls = own_certificate(settings.http)
    except OSError as error:
        fail(f"ARENA_HTTP__TLS_CERT_FILE={settings.http.tls_cert_file} cannot be read: {error.strerror}", exit_codes.USAGE)
    return tls if isinstance(tls, ssl.SSLContext) else None


def _decode(raw: bytes) -> dict[str, Any]:
    try:
        body = json.loads(raw, parse_float=Decimal)
    except ValueError:
        return {"message": raw.decode(errors="replace")[:500]}
    return body if isinstance(body, dict) else {"message": "the answer was not a JSON object"}


def describe(answer: Answer) -> str:
    """An error answer in one line, its code last."""
    code = answer.body.get("code", f"HTTP {answer.status}")
    details = answer.body.get("details") or {}
    listed = ", ".join(f"{key}={value}" for key, value in details.items()) if isinstance(details, dict) else ""
    return f"{answer.body.get('message', 'the gateway refused')} [{code}]" + (f" ({listed})" if listed else "")


def send_or_fail(method: str, path: str, body: object = None, *, headers: Mapping[str, str] | None = None, look: str) -> Answer:
    """The good answer to a change that carries an id of its own: sent once more where the first answer did not come, for it cannot be done twice.

    Args:
        look: where its outcome can be looked up, for who is told that nobody knows it.
    """
    api = Api.from_environment()
    may_be_done = False
    for last_try in (False, True):
        try:
            answer = api.call(method, path, body, headers=headers)
        except NoAnswer as error:
            may_be_done = may_be_done or error.was_sent
            if not may_be_done:
                _fail_unreachable(api, error)
            if last_try:
                fail(f"no answer from {api.url} ({error}). It may have been done: {look}", exit_codes.UNKNOWN)
            continue
        if answer.status == 202:
            fail(f"not known yet whether it was done: {look}", exit_codes.UNKNOWN)
        if may_be_done and _was_not_looked_at(answer):
            fail(f"the first answer was lost, and sent again: {describe(answer)}. It may have been done: {look}", exit_codes.UNKNOWN)
        return _good(answer)
    raise AssertionError("the loop returns or fails")


def _was_not_looked_at(answer: Answer) -> bool:
    """Whether whoever knows the ids may not have seen this one: then the refusal of a second try says nothing of the first."""
    return answer.status in {401, 429} or answer.status >= 500 or answer.body.get("code") == "ORDER_IN_FLIGHT"


def call_or_fail(method: str, path: str, body: object = None, *, headers: Mapping[str, str] | None = None) -> Answer:
    """The answer when it is a good one; else its message on stderr and the documented exit code."""
    api = Api.from_environment()
    try:
        answer = api.call(method, path, body, headers=headers)
    except NoAnswer as error:
        if method != "GET" and error.was_sent:
            fail(f"no answer from {api.url} ({error}). It may have been done: look before it is sent again", exit_codes.UNKNOWN)
        _fail_unreachable(api, error)
    if answer.status == 202:
        fail(describe(answer), exit_codes.UNKNOWN)
    return _good(answer)


def _fail_unreachable(api: Api, error: NoAnswer) -> NoReturn:
    fail(f"no gateway answers at {api.url} ({error}). Is the arena running? Start it with: make up", exit_codes.UNREACHABLE)


def _good(answer: Answer) -> Answer:
    if answer.status == 401:
        fail(describe(answer) + "\nLog in with: arena login EMAIL")
    if not answer.ok:
        fail(describe(answer))
    return answer

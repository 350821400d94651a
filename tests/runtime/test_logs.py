"""runtime/logs.py: one line, no secret, and a frozen reader freezes nobody."""

import io
import json
import logging
import os
import threading
from collections.abc import Iterator

import pytest

from runtime.logs import QUEUE_LINES_MAX, configure_logs, redact


@pytest.fixture(autouse=True)
def _root_logger_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def lines_of(write: "object") -> list[dict[str, object]]:
    stream = io.StringIO()
    listener = configure_logs("gateway", stream=stream)
    write(logging.getLogger("test"))  # type: ignore[operator]  # a lambda in each test
    listener.stop()
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_a_sentence_plus_fields() -> None:
    (line,) = lines_of(lambda log: log.info("order refused", extra={"code": "PRICE_OFF_TICK", "n": 3}))
    assert (line["message"], line["code"], line["n"], line["program"], line["level"]) == ("order refused", "PRICE_OFF_TICK", 3, "gateway", "info")


def test_secrets_never_reach_a_line() -> None:
    """By the name of the field, and by their shape wherever they stand."""
    jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln"
    (line,) = lines_of(
        lambda log: log.warning(
            "got Bearer abc.def %s rba_s3cret", jwt, extra={"password": "hunter2", "note": f"x {jwt}", "Authorization": "Basic Zm9v"}
        )
    )
    text = json.dumps(line)
    for secret in ("abc.def", jwt, "s3cret", "hunter2", "Zm9v"):
        assert secret not in text


@pytest.mark.parametrize(
    "secret",
    [
        "0123456789abcdef0123456789abcdef-fedcba9876543210fedcba9876543210",
        "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE\n-----END EC PRIVATE KEY-----\n",
        "-----BEGIN EC PRIVATE KEY-----\\nMHcCAQEE\\n-----END EC PRIVATE KEY-----\\n",
        "-----BEGIN PRIVATE KEY-----\nMHcCAQEE, and the rest was cut",
    ],
)
def test_a_venues_credentials_are_known_by_their_shape(secret: str) -> None:
    (line,) = lines_of(lambda log: log.error("the venue said: %s", f"no such key {secret}"))
    assert "MHcCAQEE" not in str(line["message"])
    assert "fedcba98" not in str(line["message"])
    assert str(line["message"]).startswith("the venue said: no such key [redacted]")


def test_a_record_stays_one_line_whatever_it_holds() -> None:
    (line,) = lines_of(lambda log: log.info("a\nb\x1b[31m\u2028c"))
    assert line["message"] == "a\nb\x1b[31m\u2028c"  # escaped on the wire: json.loads gives it back, and it was one line


def test_a_traceback_is_kept_and_redacted() -> None:
    def fail(log: logging.Logger) -> None:
        try:
            raise ValueError("token was rba_abcdef")
        except ValueError:
            log.exception("failed")

    (line,) = lines_of(fail)
    assert "ValueError" in str(line["traceback"])
    assert "rba_abcdef" not in str(line["traceback"])


def test_a_frozen_pipe_does_not_freeze_the_program() -> None:
    """Nobody reads a full pipe: more lines than the queue holds are logged at once, the surplus dropped and counted."""
    reader, writer = os.pipe()
    listener = configure_logs("gateway", stream=os.fdopen(writer, "w", buffering=1))
    handler = logging.getLogger().handlers[0]
    for number in range(3 * QUEUE_LINES_MAX):
        logging.getLogger("test").info("line %d with some length to fill the pipe soon", number)
    assert handler.dropped > 0  # type: ignore[attr-defined]  # the dropping handler's own count
    drain = threading.Thread(target=lambda: [None for _ in iter(lambda: os.read(reader, 65536), b"")])
    drain.start()
    listener.stop()
    listener.handlers[0].stream.close()  # type: ignore[attr-defined]  # the StreamHandler made above
    drain.join(10)
    os.close(reader)
    assert not drain.is_alive()


def test_redaction_leaves_plain_text_alone() -> None:
    assert redact("order paper-oanda-3 filled @ 1.1655") == "order paper-oanda-3 filled @ 1.1655"

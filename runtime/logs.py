"""Logs: one JSON object a line on stderr for supervisord, plain text on a terminal; secrets taken out in this one place.

A line is a constant sentence plus fields (``log.info("order refused", extra={"code": …})``), never a token. Writing happens on a thread of its
own behind a bounded queue that drops and counts: a frozen stderr (a stopped supervisord fills its 64 KiB pipe) must not freeze a trading process.
"""

import contextlib
import json
import logging
import logging.handlers
import queue
import re
import sys
from typing import TextIO

from runtime.timestamps import to_text

QUEUE_LINES_MAX = 10_000
STOP_S_MAX = 2.0

_SECRET_KEYS = re.compile(r"authorization|cookie|password|token|api_?key|secret|private", re.IGNORECASE)
# Our API keys, JWTs, whatever follows "Bearer", OANDA's tokens, and private keys in PEM, their line breaks real or written as \\n.
_SECRET_VALUES = re.compile(
    r"rba_[A-Za-z0-9_-]+|eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*|(?i:bearer)\s+\S+|\b[0-9a-f]{32}-[0-9a-f]{32}\b"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
    re.DOTALL,
)
_REDACTED = "[redacted]"
_PLAIN_FIELDS = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def redact(text: str) -> str:
    """``text`` with everything that looks like a bearer token, an API key, a JWT or a private key taken out."""
    return _SECRET_VALUES.sub(_REDACTED, text)


def _fields(record: logging.LogRecord) -> dict[str, object]:
    extra = {key: value for key, value in vars(record).items() if key not in _PLAIN_FIELDS}
    return {
        key: _REDACTED if _SECRET_KEYS.search(key) else redact(str(value)) if not isinstance(value, (int, float)) else value
        for key, value in extra.items()
    }


def _printable(text: str) -> str:
    return text if text.isprintable() else "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


class JsonFormatter(logging.Formatter):
    """One line of JSON a record; ASCII, so that no control character reaches a terminal."""

    def __init__(self, program: str) -> None:
        super().__init__()
        self._program = program

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "ts": to_text(int(record.created * 1_000_000) * 1000),
            "level": record.levelname.lower(),
            "program": self._program,
            "message": redact(record.getMessage()),
            **_fields(record),
        }
        if record.exc_info:
            line["traceback"] = redact(self.formatException(record.exc_info))
        return json.dumps(line)


class TextFormatter(logging.Formatter):
    """For a person at a terminal: what somebody else wrote moves no cursor there and begins no line."""

    def format(self, record: logging.LogRecord) -> str:
        extra = " ".join(f"{key}={value}" for key, value in _fields(record).items())
        said = _printable(f"{redact(record.getMessage())} {extra}".rstrip())
        text = f"{to_text(int(record.created * 1_000_000) * 1000)[11:19]} {record.levelname.lower():7} {said}"
        return text + ("\n" + redact(self.formatException(record.exc_info)) if record.exc_info else "")


class _DroppingQueueHandler(logging.handlers.QueueHandler):
    """Puts records on a bounded queue; a full queue drops the record and counts it."""

    def __init__(self, records: "queue.Queue[logging.LogRecord | None]") -> None:
        super().__init__(records)
        self.dropped = 0

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        """The record as it is: the standard one folds a traceback into the message, and the formatters here keep them apart."""
        record.msg = record.getMessage()
        record.args = None
        return record

    def enqueue(self, record: logging.LogRecord) -> None:
        try:
            self.queue.put_nowait(record)
        except queue.Full:
            self.dropped += 1


class LogListener(logging.handlers.QueueListener):
    """Writes what is queued; ``stop`` waits for it, but never for ever."""

    def __init__(self, records: "queue.Queue[logging.LogRecord | None]", writer: logging.Handler) -> None:
        super().__init__(records, writer)
        self._records = records

    def enqueue_sentinel(self) -> None:
        with contextlib.suppress(queue.Full):
            self._records.put(None, timeout=STOP_S_MAX)  # None is the standard listener's sign to end

    def stop(self) -> None:
        self.enqueue_sentinel()
        if self._thread is not None:
            self._thread.join(STOP_S_MAX)  # a daemon thread: a reader that stays frozen loses lines, not the stop
            self._thread = None


def configure_logs(program: str, *, stream: TextIO | None = None, level: int = logging.INFO) -> LogListener:
    """Send the root logger to ``stream`` (stderr when absent) and return the started listener; ``stop()`` it last, it writes what is queued."""
    target = stream or sys.stderr
    writer = logging.StreamHandler(target)
    writer.setFormatter(TextFormatter() if target.isatty() else JsonFormatter(program))
    records: queue.Queue[logging.LogRecord | None] = queue.Queue(QUEUE_LINES_MAX)
    listener = LogListener(records, writer)
    root = logging.getLogger()
    root.handlers[:] = [_DroppingQueueHandler(records)]
    root.setLevel(level)
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
    listener.start()
    return listener

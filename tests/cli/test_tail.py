"""One event in one line for people."""

from cli.tail import line


def test_a_heartbeat_is_one_word_a_program() -> None:
    beats = {"oanda": {"status": "ok", "age_ms": 848, "stale": False}, "rick": {"status": "ok", "stale": True}}
    event = {"source": "arena", "type": "heartbeat", "ts": "2026-11-23T12:19:22.000000Z", "payload": {"programs": beats}}
    assert line(event) == "12:19:22 arena     heartbeat oanda=ok rick=silent"


def test_what_a_venue_wrote_steers_no_terminal() -> None:
    event = {"source": "oanda", "type": "order_rejected", "ts": "2026-11-23T12:19:22.000000Z", "payload": {"message": "\x1b[2Jgone"}}
    assert line(event) == "12:19:22 oanda     order_rejected message=?[2Jgone"

"""A body that is read in one step says what it says when it is read to the letter; what is not plain is left to the letter."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from arena_gateway.plain_orders import read_plain_order
from arena_gateway.wire import given_id, ticket_args
from runtime.http_answers import ApiError
from runtime.http_body import parse_object
from tests.arena_gateway.fakes import SEED_ORDER
from trading.errors import ArenaError
from trading.orders import ticket_fields


def read_to_the_letter(body: bytes) -> dict[str, object] | None:
    """What the long way makes of ``body``; None where it refuses it."""
    try:
        parsed = parse_object(body)
        return ticket_args(parsed, given_id(parsed, None))
    except (ApiError, ArenaError):
        return None


numbers = st.one_of(
    st.from_regex(r"-?(0|[1-9][0-9]{0,16})(\.[0-9]{1,16})?", fullmatch=True),
    st.sampled_from(
        ["1e5", "1E-7", "0.1e1", "-0", "-0.0", "100.0", "1.", "01", "NaN", "1e999", "123456789012345", "999999999999999", "9" * 31, "0.0000001"]
    ),
)
texts = st.one_of(
    st.sampled_from(['"EUR_USD"', '"BUY"', '"SELL"', '"limit"', '"market"', '"buy"', '""', '"a\\u0041"', '"ä"', '"1.5"', '"a b"', '"mine-1"']),
    st.text(max_size=80).map(json.dumps),
)
names = st.sampled_from([*ticket_fields(), "lots", "Side"])
values = st.one_of(numbers, texts, st.sampled_from(["null", "true", "false", "[1]", "{}", '{"side":"BUY"}']))


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """Objects of a ticket's fields, most of them with something odd."""
    fields = [(name, draw(values)) for name in draw(st.lists(names, max_size=8))]
    fields += [("side", '"BUY"')] if draw(st.booleans()) else []
    space = draw(st.sampled_from(["", " ", "\n\t"]))
    return ("{" + ",".join(f'{space}"{name}"{space}:{space}{value}' for name, value in fields) + "}").encode()


@given(bodies())
@example(json.dumps(SEED_ORDER).encode())
@example(b'{"side":"BUY","side":"BUY"}')
@example(b'{"side":"BUY","units":100.0,"entry_price":1.06550,"ttl_min":-0.0}')
@example(b'{"side":"BUY","units":1.2345678901234567}')
@example(b'{"side":"BUY","instrument":"\x7f"}')
def test_what_is_read_in_one_step_is_what_the_letter_says(body: bytes) -> None:
    plain = read_plain_order(body)
    if plain is not None:
        exact = read_to_the_letter(body)
        assert exact is not None, "it is refused to the letter"
        assert (list(plain.items()), [type(value) for value in plain.values()]) == (list(exact.items()), [type(value) for value in exact.values()])


@pytest.mark.parametrize(
    "change", [{}, {"client_order_id": "mine-1"}, {"entry_type": "market", "entry_price": 1.5}, {"ttl_min": 0.5, "units": 0.001}]
)
def test_ordinary_orders_are_plain(change: dict[str, object]) -> None:
    body = json.dumps({**SEED_ORDER, **change})
    assert read_plain_order(body.encode()) == {**SEED_ORDER, **change}


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"{}", b"{", b'"side"', b"\xff", b'{"side":"BUY","side":"BUY"}', b'{"side":"BUY","units":1,"units":1}', b'{"side":"buy"}',
        b'{"side":"BUY","units":1e2}', b'{"side":"BUY","units":null}', b'{"side":"BUY","units":true}', b'{"side":"BUY","units":"1"}',
        b'{"side":"BUY","units":1.234567890123456}', b'{"side":"BUY","units":1000000000000000}', b'{"side":"BUY","lots":1}',
        b'{"side":"BUY","instrument":5}', b'{"side":"BUY","instrument":"EUR\\u005fUSD"}', b'{"side":"BUY","client_order_id":""}',
        b'{"side":"BUY","client_order_id":"a b"}', b'{"side":"BUY","entry_type":"odd"}', b"[" * 20_000, b'{"side":"BUY","units":[[1]]}',
    ],
)  # fmt: skip
def test_what_is_not_plain_is_left_to_the_letter(body: bytes) -> None:
    assert read_plain_order(body) is None

"""JSON as a counterparty sent it, read to the letter: fractions as Decimal, nothing that is no number, no key twice, half a character nowhere.

For answers of venues, which are larger than the requests ``runtime.http_body`` reads and have no error shape of ours.
"""

import json
from decimal import Decimal
from typing import Any, NoReturn

DEPTH_MAX = 32  # OANDA's deepest answer has six levels


class NotExactJson(ValueError):
    """The text is not JSON, or says something JSON readers disagree about."""


def loads(body: bytes) -> Any:
    """The value in ``body``, UTF-8 text; numbers are int or Decimal.

    Raises:
        NotExactJson: malformed, NaN or Infinity, a key given twice, deeper than 32 levels, a lone surrogate, or a number of thousands of digits.
    """
    try:
        value = _DECODER.decode(body.decode())
    except NotExactJson:
        raise
    except RecursionError:
        raise NotExactJson("it nests too deep") from None
    except ValueError:  # JSONDecodeError quotes the document, which may hold what a log must not
        raise NotExactJson("it is not JSON in UTF-8") from None
    _check(value, 1)
    return value


def _refuse_constant(text: str) -> NoReturn:
    raise NotExactJson(f"{text} is no number JSON knows")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise NotExactJson("a key is given twice")
    return result


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=Decimal, object_pairs_hook=_unique)


def _check(value: Any, depth: int) -> None:
    if depth > DEPTH_MAX:
        raise NotExactJson("it nests too deep")
    kind = type(value)
    if kind is dict:
        for key, item in value.items():
            _check(key, depth)
            _check(item, depth + 1)
    elif kind is list:
        for item in value:
            _check(item, depth + 1)
    elif kind is str and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise NotExactJson("a string holds half a surrogate pair") from None

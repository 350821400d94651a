"""Requests made from our three OpenAPI documents, good ones and bad ones: no 5xx, no restart, no answer that its document does not describe.

The short form takes a minute; ``make fuzz`` makes 50,000 requests to each server. Streams stay open and have tests of their own.
"""

from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed
from hypothesis import settings as hypothesis_settings
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance

from tests.security.fuzzing import IS_FULL, SEED, amount
from tests.system.stack import PROGRAMS, Stack

pytestmark = pytest.mark.system
REQUESTS = amount(100, 50_000)
ROUNDS_MAX = 400
SERVERS = ("gateway", "dashboard", "market_data")
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
PASSWORD = "a strong pass phrase"
# These end or spend what the other requests need, so they go out without it.
WITHOUT_TOKEN = {"/auth/logout"}


@pytest_asyncio.fixture(scope="module")
async def stack() -> AsyncIterator[Stack]:
    # No limit on orders: how often one may is tested elsewhere, and 429 would be most of the answers.
    async with Stack({"ARENA_AUTH__ORDERS_PER_S_MAX": "100000", "ARENA_AUTH__ORDERS_BURST_MAX": "100000"}) as shared:
        yield shared


@pytest.mark.timeout(7200 if IS_FULL else 110)
@pytest.mark.parametrize("server", SERVERS)
async def test_whatever_is_asked_the_answer_is_one_of_those_described(stack: Stack, server: str) -> None:
    pids = {name: stack.pid(name) for name in PROGRAMS}
    code, _, said = await stack.cli("user", "add", f"{server.replace('_', '-')}@admin", "--role", "admin", input_text=f"{PASSWORD}\n")
    assert code == 0, said
    login = {"email": f"{server.replace('_', '-')}@admin", "password": PASSWORD}

    async def admin_is_known() -> bool:
        status, answer, _ = await stack.call("POST", f"{stack.gateway}/auth/login", json=login)
        if status == 200:
            stack._tokens["admin"] = answer["access_token"]
        return bool(status == 200)

    await stack.eventually(admin_is_known, "the new admin to be let in")
    base = getattr(stack, server)
    _, document, _ = await stack.call("GET", f"{base}/openapi.json")
    counts: Counter[int] = Counter()
    failures: list[str] = []
    operations = _operations(document)
    assert operations
    for number in range(ROUNDS_MAX):
        left = REQUESTS - sum(counts.values())
        if left <= 0 or len(failures) > 20:
            break
        for name, operation in operations.items():
            tokens = [None] if name[1] in WITHOUT_TOKEN else [stack._tokens["admin"], await stack.token(), None]
            # An operation without parameters has one request to make; the others make up for it in the next round.
            _throw(operation, base, tokens, max(3, left // len(operations)), number, counts, failures)
    assert not failures, "\n".join(failures)
    assert sum(counts.values()) >= REQUESTS, counts
    assert {name: stack.pid(name) for name in PROGRAMS} == pids
    await stack.ready()
    print(f"{server}: {sum(counts.values())} requests, {dict(sorted(counts.items()))}")


def _operations(document: dict[str, Any]) -> dict[tuple[str, str], Any]:
    """The operations of a document by method and path, streams left out."""
    schema = schemathesis.openapi.from_dict(document)
    found = {}
    for result in schema.get_all_operations():
        operation = result.ok()
        answers = document["paths"][operation.path][operation.method.lower()]["responses"]
        if not any("text/event-stream" in answer.get("content", {}) for answer in answers.values()):
            found[operation.method.upper(), operation.path] = operation
    return found


def _throw(operation: Any, base: str, tokens: list[str | None], count: int, number: int, counts: "Counter[int]", failures: list[str]) -> None:
    """Half of the ``count`` requests as the document allows them, half as it does not; by everybody in ``tokens`` in turn."""
    session = requests.Session()
    sent = 0
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
        try:
            strategy = operation.as_strategy(generation_mode=mode)
        except Exception as error:  # an operation without parameters has no bad request
            if mode is GenerationMode.POSITIVE:
                raise AssertionError(f"{operation.method} {operation.path}: {error}") from error
            continue

        @seed(SEED + 1000 * number)
        @hypothesis_settings(
            max_examples=max(1, count // 2),
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=strategy)
        def ask(case: Any) -> None:
            nonlocal sent
            token = tokens[sent % len(tokens)]
            sent += 1
            headers = {} if token is None else {"Authorization": f"Bearer {token}"}
            try:
                answer = case.call(base_url=base, headers=headers, session=session, timeout=20)
            except (requests.exceptions.InvalidHeader, requests.exceptions.InvalidURL, UnicodeError):
                return  # what the client itself refuses to write never comes to us
            counts[answer.status_code] += 1
            try:
                case.validate_response(answer, checks=CHECKS)
            except BaseException as error:  # a group of what was wrong: noted, and the search goes on
                failures.append(
                    f"{case.method} {answer.request.url[:300]} -> {answer.status_code}: {_told(error)[:500]}; body {str(case.body)[:200]}"
                )

        try:
            ask()
        except Exception as error:
            if "Unsatisfiable" not in type(error).__name__:
                raise
    session.close()


def _told(error: BaseException) -> str:
    parts = error.exceptions if isinstance(error, BaseExceptionGroup) else [error]
    return " | ".join(f"{type(part).__name__}: {part}" for part in parts)

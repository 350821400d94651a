"""The users store as the command line uses it: every verb, every refusal, and what the file gives away."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from arena_gateway import audit
from arena_gateway.common_passwords import COMMON_PASSWORDS
from arena_gateway.passwords import hash_password, needs_rehash, verify_password, weakness
from arena_gateway.users import Users, open_users
from runtime.clock import ManualClock
from runtime.program import CannotStart
from tests.arena_gateway.fakes import settings_at
from trading.errors import ArenaError

STRONG = "a strong pass phrase"


@pytest.fixture
def users(tmp_path: Path) -> Iterator[Users]:
    with open_users(settings_at(tmp_path), ManualClock()) as opened:
        yield opened


def refused(call: Callable[..., object], *args: object, **more: object) -> str:
    with pytest.raises(ArenaError) as caught:
        call(*args, **more)
    return caught.value.code


def test_a_user_is_added_once_under_a_name_in_small_letters(users: Users) -> None:
    user = users.add("Ann@Desk", STRONG, "admin", by="host")
    assert (user.email, user.role, user.weak, user.disabled, user.live) == ("ann@desk", "admin", False, False, ())
    assert users.get("ANN@desk") == user
    assert users.all() == [user]
    assert users.count() == 1
    assert refused(users.add, "ann@DESK", STRONG, "viewer", by="host") == "USER_EXISTS"


def test_what_makes_no_sense_is_refused(users: Users) -> None:
    assert refused(users.add, "ann", STRONG, "admin", by="host") == "EMAIL_INVALID"
    assert refused(users.add, "a@b", STRONG, "king", by="host") == "ROLE_NOT_ALLOWED"
    assert refused(users.add, "a@b", "pass", "trader", by="host") == "PASSWORD_TOO_WEAK"
    assert users.add("a@b", "pass", "trader", by="host", weak_allowed=True).weak
    assert refused(users.get, "nobody@b") == "USER_NOT_FOUND"
    for verb in (users.set_role, users.grant_live):
        assert refused(verb, "nobody@b", "viewer" if verb == users.set_role else "oanda", by="host") == "USER_NOT_FOUND"
    assert refused(users.create_invite, "admin", by="host") == "ROLE_NOT_ALLOWED"


def test_every_change_of_rights_makes_older_tokens_worthless(users: Users) -> None:
    version = users.add("a@b", STRONG, "trader", by="host").token_version
    for change in (
        lambda: users.set_role("a@b", "viewer", by="host"),
        lambda: users.set_password("a@b", STRONG + "!", by="host"),
        lambda: users.set_disabled("a@b", True, by="host"),
        lambda: users.set_disabled("a@b", False, by="host"),
        lambda: users.revoke_sessions("a@b", by="host"),
    ):
        version += 1
        assert change().token_version == version


def test_live_grants_are_per_broker_and_need_a_strong_password(users: Users) -> None:
    users.add("a@b", STRONG, "trader", by="host")
    assert users.grant_live("a@b", "oanda", notional_per_day_max=Decimal("10000.5"), by="host").live == (("oanda", Decimal("10000.5")),)
    assert users.grant_live("a@b", "oanda", by="host").live == (("oanda", None),)
    assert users.grant_live("a@b", "coinbase", by="host").live == (("coinbase", None), ("oanda", None))
    assert users.revoke_live("a@b", "oanda", by="host").live == (("coinbase", None),)
    assert refused(users.grant_live, "a@b", "binance", by="host") == "BROKER_NOT_FOUND"
    for limit in ("0", "-1", "NaN", "Infinity"):
        assert refused(users.grant_live, "a@b", "oanda", notional_per_day_max=Decimal(limit), by="host") == "LIMIT_INVALID"
    users.add("weak@b", "pass", "trader", by="host", weak_allowed=True)
    assert refused(users.grant_live, "weak@b", "oanda", by="host") == "PASSWORD_TOO_WEAK"


def test_every_verb_is_in_the_audit_log_and_no_secret_is(users: Users, tmp_path: Path) -> None:
    users.add("a@b", STRONG, "trader", by="ann")
    users.grant_live("a@b", "oanda", by="ann")
    users.set_password("a@b", STRONG + "2", by="ann")
    code = users.create_invite("viewer", by="ann")
    page = audit.page(users.store)
    assert [(row["actor"], row["action"], row["subject"]) for row in page["entries"]] == [
        ("ann", "invite.create", ""), ("ann", "user.passwd", "a@b"), ("ann", "user.grant_live", "a@b"), ("ann", "user.add", "a@b"),
    ]  # fmt: skip
    raw = (tmp_path / "data" / "users.db").read_bytes()
    assert STRONG.encode() not in raw
    assert code.encode() not in raw


def test_two_open_it_at_once_and_the_second_sees_the_first(tmp_path: Path) -> None:
    with open_users(settings_at(tmp_path)) as one, open_users(settings_at(tmp_path)) as two:
        before = two.store.foreign_changes()
        one.add("a@b", STRONG, "trader", by="host")
        assert two.store.foreign_changes() != before
        assert two.get("a@b").role == "trader"


def test_a_store_that_others_can_read_refuses_to_open(tmp_path: Path) -> None:
    with open_users(settings_at(tmp_path)):
        pass
    path = tmp_path / "data" / "users.db"
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)
    with pytest.raises(CannotStart, match="chmod 600"):
        open_users(settings_at(tmp_path))


@pytest.mark.usefixtures("full_cost")
def test_a_password_is_hashed_as_the_rules_say() -> None:
    stored = hash_password(STRONG)
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert verify_password(stored, STRONG)
    assert not verify_password(stored, STRONG + " ")
    assert not verify_password(None, STRONG)
    assert not verify_password("not a hash", STRONG)
    assert not needs_rehash(stored)
    assert needs_rehash(stored.replace("t=2", "t=1"))


@pytest.mark.parametrize(
    "password", ["", "pass", "elevenchars", "password1234", "PASSWORD1234", "qwertyuiop123", "aaaaaaaaaaaa", "abababababab", "trader@test1"]
)
def test_weak_passwords(password: str) -> None:
    assert weakness(password, "trader@test") is not None


@pytest.mark.parametrize("password", ["correct horse battery", "tr0ub4dor&3xyz", "ein langer Satz", "trader and much more than that"])
def test_strong_passwords_need_no_kinds_of_characters(password: str) -> None:
    assert weakness(password, "trader@test") is None


def test_the_list_is_long_enough() -> None:
    assert len(COMMON_PASSWORDS) >= 3_000

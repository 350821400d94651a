"""Real money only where it was asked for and everything is there; half of it, or a secret others can read, starts nothing and is not told."""

import subprocess
import sys
from pathlib import Path

import pytest

from brokers.access import CoinbaseAccess, OandaAccess, read_access, refuse_root
from brokers.credentials import why_paper
from runtime.program import CannotStart

COMPLETE = {"OANDA_API_TOKEN": "secret-word", "OANDA_ACCOUNT_ID": "101-001-1234567-001"}


def test_an_account_is_paper_unless_it_was_told_and_given_everything() -> None:
    assert why_paper("oanda", execution_enabled=True, environ=COMPLETE) is None
    assert "EXECUTION_ENABLED" in (why_paper("oanda", execution_enabled=False, environ=COMPLETE) or "")
    for source, environ in (("oanda", {}), ("coinbase", COMPLETE), ("oanda", dict.fromkeys(COMPLETE, ""))):
        assert "no credentials" in (why_paper(source, execution_enabled=True, environ=environ) or "")


@pytest.mark.parametrize("environ", [{"OANDA_API_TOKEN": "secret-word"}, {"OANDA_ACCOUNT_ID_FILE": "/secret-word"}])
def test_half_a_credential_refuses_to_start_without_telling_it(environ: dict[str, str]) -> None:
    with pytest.raises(CannotStart, match="is not: set both") as refusal:
        why_paper("oanda", execution_enabled=True, environ=environ)
    assert "secret-word" not in str(refusal.value)


def test_paper_never_looks_at_half_a_credential() -> None:
    assert why_paper("oanda", execution_enabled=False, environ={"OANDA_API_TOKEN": "x"}) is not None


def test_credentials_are_read_from_files_and_shown_nowhere(tmp_path: Path) -> None:
    for name in ("key", "secret"):
        (tmp_path / name).write_text(f"secret-word {name}\n")
        (tmp_path / name).chmod(0o600)
    access = read_access("coinbase", {"COINBASE_API_KEY_FILE": str(tmp_path / "key"), "COINBASE_API_SECRET_FILE": str(tmp_path / "secret")})
    assert isinstance(access, CoinbaseAccess)
    assert (access.key_name.reveal(), access.key_secret.reveal()) == ("secret-word key", "secret-word secret")
    assert "secret-word" not in repr(access)


def test_an_oanda_account_is_a_number_not_a_path() -> None:
    access = read_access("oanda", COMPLETE)
    assert isinstance(access, OandaAccess)
    assert access.account_id == COMPLETE["OANDA_ACCOUNT_ID"]
    for account in ("101/../001", "101 001", "é", "x" * 65):
        with pytest.raises(CannotStart, match="OANDA_ACCOUNT_ID"):
            read_access("oanda", {**COMPLETE, "OANDA_ACCOUNT_ID": account})


def test_root_trades_no_real_money() -> None:
    refuse_root(1000)
    with pytest.raises(CannotStart, match="ordinary user"):
        refuse_root(0)


def test_paper_loads_nothing_of_what_reaches_a_venue() -> None:
    """The strongest form of "nothing can reach an order endpoint": the code that could is not there. (The way out, its signatures, the adapters.)"""
    script = (
        "import sys, brokers.__main__\n"
        "names = ('aiohttp', 'runtime.outbound', 'brokers.access', 'brokers.oanda', 'brokers.coinbase', 'jwt')\n"
        "print([name for name in names if any(each == name or each.startswith(name + '.') for each in sys.modules)])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"

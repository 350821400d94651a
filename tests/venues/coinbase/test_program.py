"""The simulated Coinbase as a program: what it prints is enough to point a client at it, and it leaves nothing behind."""

import json
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
from aiohttp import ClientSession

from tests.venues.coinbase.auth import load_keys
from tests.venues.coinbase.kit import sign
from tests.venues.coinbase.rest import PREFIX
from tests.venues.common.clock import RealClock

ROOT = Path(__file__).parents[3]
END_S_MAX = 30


@pytest.mark.system
async def test_the_program_speaks_tls_to_the_key_it_made_and_ends_cleanly(tmp_path: Path) -> None:
    """One signed request over https, with the printed address and the key file it was told to make."""
    keys = tmp_path / "key.json"
    command = [sys.executable, "-m", "tests.venues.coinbase", "--port", "0", "--keys", str(keys), "--tls", str(tmp_path), "--algorithm", "EdDSA"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as program:
        try:
            assert program.stdout is not None
            printed = json.loads(program.stdout.readline())
            key = load_keys(keys)[0]
            secret = Path(printed["COINBASE_API_SECRET_FILE"])
            assert (printed["COINBASE_API_KEY"], secret.read_text()) == (key.name, key.secret)
            assert [path.stat().st_mode & 0o777 for path in (keys, secret, tmp_path / "key.pem")] == [0o600] * 3
            base_url = printed["COINBASE_BASE_URL"]
            path = f"{PREFIX}/key_permissions"
            token = sign(key, now_ns=RealClock().now_ns(), uri=f"GET {base_url.partition('://')[2]}{path}")
            trusted = ssl.create_default_context(cafile=str(tmp_path / "certificate.pem"))
            async with (
                ClientSession() as session,
                session.get(f"{base_url}{path}", ssl=trusted, headers={"Authorization": f"Bearer {token}"}) as answer,
            ):
                assert (await answer.json())["can_trade"] is True
        finally:
            program.terminate()
            code = program.wait(END_S_MAX)
    assert code == 0
    assert not secret.exists()

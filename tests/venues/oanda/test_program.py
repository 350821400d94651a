"""The simulated venue as a program: starts with a fault script and a walk, says where it is, answers, and ends when told."""

import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
WAIT_S = 30


@pytest.mark.system
def test_the_program_says_where_it_is_begins_with_its_script_and_ends_when_told(tmp_path: Path) -> None:
    script = tmp_path / "faults.json"
    script.write_text(json.dumps({"seed": 3, "faults": [{"kind": "rate_limit", "path": "/summary$"}]}))
    command = [sys.executable, "-m", "tests.venues.oanda", "--port", "0", "--stream-port", "0", "--seed", "7", "--faults", str(script)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            told = json.loads(process.stdout.readline())
            assert told["OANDA_BASE_URL"] != told["OANDA_STREAM_URL"]
            url = f"{told['OANDA_BASE_URL']}/v3/accounts/{told['OANDA_ACCOUNT_ID']}/summary"
            asking = urllib.request.Request(url, headers={"Authorization": f"Bearer {told['OANDA_API_TOKEN']}"})
            with pytest.raises(urllib.error.HTTPError, match="429"):
                urllib.request.urlopen(asking, timeout=WAIT_S)
            with urllib.request.urlopen(asking, timeout=WAIT_S) as answer:
                assert json.load(answer)["account"]["balance"] == "100000.0000"
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT_S) == 0

"""Secrets: from a file only their owner can read, and shown nowhere."""

import copy
import dataclasses
import logging
import os
import pickle
from pathlib import Path

import pytest

from runtime.program import CannotStart
from runtime.secret_files import SECRET_BYTES_MAX, Secret, is_given, read_secret

WORD = "hunter-two"


def written(path: Path, content: bytes, mode: int = 0o600) -> dict[str, str]:
    path.write_bytes(content)
    path.chmod(mode)
    return {"TOKEN_FILE": str(path)}


def test_a_private_file_is_read_without_its_white_space(tmp_path: Path) -> None:
    assert read_secret(written(tmp_path / "t", f"\n{WORD}\r\n".encode()), "TOKEN").reveal() == WORD


def test_the_environment_is_accepted_with_a_warning_that_does_not_hold_it(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert read_secret({"TOKEN": WORD}, "TOKEN").reveal() == WORD
    assert "in the environment" in caplog.text
    assert WORD not in caplog.text
    assert all(WORD not in str(vars(record)) for record in caplog.records)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o700, 0o660])
def test_a_file_others_can_reach_is_refused_and_the_way_out_is_named(tmp_path: Path, mode: int) -> None:
    with pytest.raises(CannotStart, match="chmod 600") as caught:
        read_secret(written(tmp_path / "t", WORD.encode(), mode), "TOKEN")
    assert WORD not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b" \n", b"\xff\xfe", b"a\0b", b"x" * (SECRET_BYTES_MAX + 1)])
def test_a_file_that_holds_no_secret_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(CannotStart, match="TOKEN_FILE"):
        read_secret(written(tmp_path / "t", content), "TOKEN")


def test_what_is_no_plain_file_is_refused_at_once(tmp_path: Path) -> None:
    """A FIFO without a writer would hold a careless open up for ever."""
    os.mkfifo(tmp_path / "fifo", 0o600)
    for path in (tmp_path / "fifo", tmp_path, tmp_path / "missing"):
        with pytest.raises(CannotStart, match="TOKEN_FILE"):
            read_secret({"TOKEN_FILE": str(path)}, "TOKEN")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_another_users_file_is_refused(tmp_path: Path) -> None:
    environ = written(tmp_path / "t", WORD.encode())
    os.chown(tmp_path / "t", 12345, 12345)
    with pytest.raises(CannotStart, match="another user"):
        read_secret(environ, "TOKEN")


def test_neither_and_both_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match="TOKEN_FILE"):
        read_secret({}, "TOKEN")
    with pytest.raises(CannotStart, match="both"):
        read_secret({"TOKEN": WORD, **written(tmp_path / "t", WORD.encode())}, "TOKEN")


def test_is_given() -> None:
    assert is_given({"TOKEN": "x"}, "TOKEN")
    assert is_given({"TOKEN_FILE": "x"}, "TOKEN")
    assert not is_given({"TOKEN": "", "TOKEN_FILE": ""}, "TOKEN")


def test_a_secret_is_shown_nowhere() -> None:
    """repr, str, format, a dataclass around it, a copy that would be one more place it is kept."""

    @dataclasses.dataclass
    class Holder:
        key: Secret

    secret = Secret(WORD)
    for shown in (repr(secret), str(secret), f"{secret}", f"{secret:>40}", f"{Holder(secret)}", f"{secret!r}"):
        assert WORD not in shown
    with pytest.raises(TypeError):
        pickle.dumps(secret)
    with pytest.raises(TypeError):
        copy.deepcopy(secret)

"""CURVE keys of the bus: who may connect over TCP where reading is not open to everybody on this machine.

The bus has one key pair, ``keys/bus/server.key``; each client has its own, and a name. The bus keeps clients' public keys only, in two lists that are
never mixed: ``keys/bus/subscribers/<name>.pub`` may listen, ``keys/bus/publishers/<name>.pub`` may speak as any source (S-Z1, S-Z2). A file holds
one key as libzmq writes it: 40 characters of Z85. What a client is given is one file with three keys, which ``ClientKeys.load`` reads.
"""

import contextlib
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import zmq

from runtime.program import CannotStart

List = Literal["subscribers", "publishers"]
LISTS: tuple[List, ...] = ("subscribers", "publishers")
CLIENTS_MAX = 1_000  # each connection looks through a list; more than this is a mistake

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_Z85 = re.compile(r"[0-9a-zA-Z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}")
_CLIENT_FIELDS = frozenset({"server_public", "public", "secret"})


class KeyRefused(ValueError):
    """A name or key that cannot be; the message says what would do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientKeys:
    """What a client needs to connect: the bus's public key and its own pair."""

    server_public: str
    public: str
    secret: str

    def __post_init__(self) -> None:
        for key in (self.server_public, self.public, self.secret):
            check_key(key)

    def __repr__(self) -> str:
        return f"ClientKeys(server_public={self.server_public!r}, public={self.public!r}, secret=[redacted])"

    def apply(self, socket: "zmq.Socket[bytes]") -> None:
        """Make ``socket`` speak CURVE; before it connects."""
        socket.setsockopt(zmq.CURVE_SERVERKEY, self.server_public.encode())
        socket.setsockopt(zmq.CURVE_PUBLICKEY, self.public.encode())
        socket.setsockopt(zmq.CURVE_SECRETKEY, self.secret.encode())

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """The keys in a file that ``arena keys add`` wrote.

        Raises:
            KeyRefused: it is no such file, or others can read it.
        """
        path = Path(path)
        try:
            _refuse_open_file(path)
            text = path.read_text()
        except OSError as error:
            raise KeyRefused(f"{path} cannot be read: {error.strerror}") from error
        try:
            raw = json.loads(text)
        except ValueError as error:
            raise KeyRefused(f"{path} is no key file of arena keys add") from error
        if not isinstance(raw, dict) or set(raw) != _CLIENT_FIELDS or not all(isinstance(value, str) for value in raw.values()):
            raise KeyRefused(f"{path} is no key file of arena keys add: it has {', '.join(sorted(_CLIENT_FIELDS))}")
        return cls(**raw)

    def save(self, path: Path) -> None:
        """Write the file for the client, for its owner alone. FileExistsError where there is one."""
        _write_private(path, json.dumps({"server_public": self.server_public, "public": self.public, "secret": self.secret}, indent=1) + "\n")


class KeyRing:
    """The keys of one bus, below ``keys_dir/bus``."""

    def __init__(self, keys_dir: Path) -> None:
        self._dir = keys_dir / "bus"

    def server_pair(self) -> tuple[str, str]:
        """``(public, secret)`` of the bus; made at the first call.

        Raises:
            CannotStart: the file is open to others, or holds no key.
        """
        path = self._dir / "server.key"
        if not path.exists():
            _make_private(self._dir)
            _, secret = zmq.curve_keypair()
            with contextlib.suppress(FileExistsError):  # somebody else was faster; theirs counts
                _write_private(path, secret.decode() + "\n")
        try:
            _refuse_open_file(path)
            secret_text = check_key(path.read_text().strip())
        except (KeyRefused, UnicodeDecodeError) as error:
            raise CannotStart(f"{path}: {error}") from error
        return zmq.curve_public(secret_text.encode()).decode(), secret_text

    def add(self, which: List, name: str, public: str) -> None:
        """Let the holder of ``public`` in. KeyRefused: the name is taken or none, or the key is on a list already."""
        check_name(name)
        check_key(public)
        for listed in LISTS:
            known = self.clients(listed)
            if name in known:
                raise KeyRefused(f"there is a {listed.removesuffix('s')} called {name} already: remove it first, or choose another name")
            if public in known.values():
                raise KeyRefused("this key is on a list already: a client has one key, and a key one client")
            if len(known) >= CLIENTS_MAX:
                raise KeyRefused(f"there are {CLIENTS_MAX} {listed} already")
        directory = self._dir / which
        _make_private(directory)
        _write_private(directory / f"{name}.pub", public + "\n")

    def remove(self, name: str) -> List | None:
        """Take a client off its list; which one that was, None when there is no such client."""
        check_name(name)
        for which in LISTS:
            path = self._dir / which / f"{name}.pub"
            if path.exists():
                path.unlink()
                return which
        return None

    def clients(self, which: List) -> dict[str, str]:
        """Public keys by name. A file that holds no key lets nobody in."""
        found = {}
        for path in sorted((self._dir / which).glob("*.pub")):
            try:
                found[path.stem] = check_key(path.read_text().strip())
            except (OSError, KeyRefused, UnicodeDecodeError):
                continue
        return found


def new_pair() -> tuple[str, str]:
    """``(public, secret)`` of a new client."""
    public, secret = zmq.curve_keypair()
    return public.decode(), secret.decode()


def check_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise KeyRefused(f"{name[:80]!r} cannot be a client's name: letters, digits, _ . and -, at most 63")
    return name


def check_key(key: str) -> str:
    if not _Z85.fullmatch(key):
        raise KeyRefused("a CURVE key is 40 characters of Z85")
    return key


def _refuse_open_file(path: Path) -> None:
    status = path.stat()
    if status.st_mode & 0o077:
        raise KeyRefused(f"other users can read it: chmod 600 {path}")
    if status.st_uid != os.geteuid():
        raise KeyRefused(f"it belongs to another user: {path}")


def _make_private(directory: Path) -> None:
    """The folder and those above it; ``mkdir``'s own ``parents`` would leave the ones above to the umask."""
    for path in (*reversed(directory.parents), directory):
        if not path.exists():
            path.mkdir(mode=0o700, exist_ok=True)


def _write_private(path: Path, text: str) -> None:
    """A new file, 0600 from its first byte and whole or not there."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(handle, "w") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)

"""Settings: read once at start, from ``conf/arena.toml`` and the environment, into frozen values that are checked together.

Order, later wins: the defaults below, the file, ``ARENA_<SECTION>__<KEY>``. Bare in the environment are only ``ARENA_HOME``, ``ARENA_CONF`` (another
``arena.toml``), ``EXECUTION_ENABLED`` and what the broker adapters read (``OANDA_*``, ``COINBASE_*``). A key nobody knows is refused by name: a
misspelt limit must not pass for a set one. Below ``__main__`` settings are arguments.
"""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import msgspec

# sun_path holds 108 bytes with its final NUL.
SOCKET_PATH_BYTES_MAX = 107


class SettingsError(Exception):
    """A setting that cannot work; the message names it and says what to write instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySettings:
    host: str = "127.0.0.1"
    port: int = 8787


@dataclass(frozen=True, slots=True, kw_only=True)
class DashboardSettings:
    host: str = "127.0.0.1"
    port: int = 8080


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketDataSettings:
    host: str = "127.0.0.1"
    port: int = 5560
    feed: tuple[Literal["simulated", "replay", "oanda", "coinbase"], ...] = ("simulated",)  # one; or both live ones, each for its own venue
    seed: int = 1
    replay_files: tuple[str, ...] = ()
    replay_speed: Decimal = Decimal(1)
    coinbase_gap: Literal["reconnect", "log"] = "reconnect"  # what a hole in the numbers of Coinbase's stream leads to

    def __post_init__(self) -> None:
        if not self.feed or len(set(self.feed)) < len(self.feed):
            raise SettingsError("market_data.feed names simulated, replay, oanda, coinbase, or oanda,coinbase; each once")
        if len(self.feed) > 1 and not self.is_live:
            raise SettingsError("market_data.feed: simulated and replay stand alone; oanda and coinbase may stand together, as oanda,coinbase")

    @property
    def is_live(self) -> bool:
        """Whether prices come from venues as they are now."""
        return set(self.feed) <= {"oanda", "coinbase"}


@dataclass(frozen=True, slots=True, kw_only=True)
class BusSettings:
    sub_host: str = "127.0.0.1"
    sub_port: int = 5571
    pub_port: int = 0  # 0: publishers use run/bus-pub.sock and nothing else
    heartbeat_s: Decimal = Decimal(1)
    silence_s_max: Decimal = Decimal(3)

    def __post_init__(self) -> None:
        if self.silence_s_max < 2 * self.heartbeat_s:
            raise SettingsError("bus.silence_s_max must be at least twice bus.heartbeat_s: one lost beat is not an outage")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthSettings:
    registration: Literal["auto", "open", "invite", "closed"] = "auto"
    read: Literal["auto", "open", "token"] = "auto"
    access_min: int = 60
    refresh_days: int = 30
    orders_per_s_max: int = 20  # of one user, in the long run; repeats of the same order do not count
    orders_burst_max: int = 40

    def __post_init__(self) -> None:
        if not 5 <= self.access_min <= 1440:
            raise SettingsError("auth.access_min must be 5 to 1440 minutes")
        if not 1 <= self.refresh_days <= 365:
            raise SettingsError("auth.refresh_days must be 1 to 365")
        if self.orders_per_s_max < 1 or self.orders_burst_max < 1:
            raise SettingsError("auth.orders_per_s_max and auth.orders_burst_max must be at least 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpSettings:
    allow_remote: bool = False
    trusted_proxies: tuple[str, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    tls_cert_file: str = ""
    tls_key_file: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSettings:
    free_mb_min: int = 256
    events_max: int = 1_000_000
    events_days_min: int = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperSettings:
    quote_stale_s: Decimal = Decimal(10)
    oanda_balance_usd: Decimal = Decimal(100_000)
    coinbase_balance_usd: Decimal = Decimal(100_000)
    coinbase_balance_btc: Decimal = Decimal(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class TestSettings:
    __test__ = False  # not a test class, whatever its name suggests to pytest
    clock_offset_file: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All of them. Paths are absolute; ``instruments`` is the parsed ``conf/instruments.toml``."""

    home: Path
    conf: Path
    execution_enabled: bool = False
    gateway: GatewaySettings = field(default_factory=GatewaySettings)
    dashboard: DashboardSettings = field(default_factory=DashboardSettings)
    market_data: MarketDataSettings = field(default_factory=MarketDataSettings)
    bus: BusSettings = field(default_factory=BusSettings)
    auth: AuthSettings = field(default_factory=AuthSettings)
    http: HttpSettings = field(default_factory=HttpSettings)
    store: StoreSettings = field(default_factory=StoreSettings)
    paper: PaperSettings = field(default_factory=PaperSettings)
    test: TestSettings = field(default_factory=TestSettings)
    risk: Mapping[str, object] = field(default_factory=dict)
    instruments: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        longest = max((self.run_dir / name for name in ("coinbase-orders.sock", "coinbase-replay.sock")), key=lambda path: len(os.fsencode(path)))
        if len(os.fsencode(longest)) > SOCKET_PATH_BYTES_MAX:
            raise SettingsError(
                f"ARENA_HOME is too long: {longest} has {len(os.fsencode(longest))} bytes and a Unix socket path may have "
                f"{SOCKET_PATH_BYTES_MAX}; choose a shorter ARENA_HOME"
            )
        if self.execution_enabled and self.test.clock_offset_file:
            raise SettingsError("ARENA_TEST__CLOCK_OFFSET_FILE is for stacks under test: unset it before EXECUTION_ENABLED=true")

    @property
    def run_dir(self) -> Path:
        return self.home / "run"

    @property
    def data_dir(self) -> Path:
        return self.home / "data"

    @property
    def keys_dir(self) -> Path:
        return self.home / "keys"

    @property
    def log_dir(self) -> Path:
        return self.home / "log"

    @property
    def bus_pub_address(self) -> str:
        """Where publishers connect."""
        return f"ipc://{self.run_dir}/bus-pub.sock"

    @property
    def bus_sub_address(self) -> str:
        """Where our own subscribers connect."""
        return f"ipc://{self.run_dir}/bus-sub.sock"

    def orders_address(self, source: str) -> str:
        return f"ipc://{self.run_dir}/{source}-orders.sock"

    def replay_address(self, source: str) -> str:
        return f"ipc://{self.run_dir}/{source}-replay.sock"


# Sections of the file and of ARENA_<SECTION>__<KEY>; risk is free-form here because trading/risk.py owns its keys and checks them.
_SECTIONS = {
    item.name: item.default_factory for item in fields(Settings) if item.name not in {"home", "conf", "execution_enabled", "instruments", "risk"}
}


def load_settings(environ: Mapping[str, str], *, cwd: Path | None = None) -> Settings:
    """The settings in force.

    Args:
        environ: usually ``os.environ``.
        cwd: what relative paths start from; the current directory when absent.
    Raises:
        SettingsError: an unknown key, a value of the wrong type, or values that do not go together.
    """
    base = cwd or Path.cwd()
    home = (base / (environ.get("ARENA_HOME") or "var")).absolute()
    conf_file = (base / (environ.get("ARENA_CONF") or _default_conf_file(base))).absolute()
    raw = _read_toml(conf_file)
    _overlay_environment(raw, environ)
    unknown = set(raw) - set(_SECTIONS) - {"risk"}
    if unknown:
        raise SettingsError(f"{conf_file}: unknown section [{min(unknown)}]; known are {', '.join(sorted({*_SECTIONS, 'risk'}))}")
    sections = {name: _convert(name, raw.get(name, {}), factory) for name, factory in _SECTIONS.items()}
    return Settings(
        home=home,
        conf=conf_file,
        execution_enabled=_execution_enabled(environ),
        instruments=_read_toml(conf_file.parent / "instruments.toml"),
        risk=_table(raw, "risk"),
        **sections,
    )


def _default_conf_file(base: Path) -> Path:
    """``conf/arena.toml`` below ``base``, else beside the packages: a checkout's, or what an installed wheel carries."""
    beside = Path(__file__).parent.parent
    candidates = (base / "conf" / "arena.toml", beside / "conf" / "arena.toml", beside / "arena_conf" / "arena.toml")
    return next((path for path in candidates if path.exists()), candidates[0])


def _read_toml(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text(), parse_float=Decimal)
    except FileNotFoundError:
        raise SettingsError(f"{path} is missing: restore it from the repository, or point ARENA_CONF at your arena.toml") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} is not valid TOML: {error}") from None


def _overlay_environment(raw: dict[str, object], environ: Mapping[str, str]) -> None:
    for name, value in environ.items():
        if not name.startswith("ARENA_") or "__" not in name:
            continue
        section, _, key = name.removeprefix("ARENA_").lower().partition("__")
        table = raw.setdefault(section, {})
        if not isinstance(table, dict):
            raise SettingsError(f"{name}: {section} is not a section")
        table[key] = value


def _convert(section: str, values: object, factory: Any) -> Any:
    if not isinstance(values, dict):
        raise SettingsError(f"[{section}] must be a table")
    known = {item.name: item for item in fields(factory)}
    for key in values:
        if key not in known:
            raise SettingsError(f"unknown setting {section}.{key}; known are {', '.join(sorted(known))}")
    listed = {key: _split_list(value) if "tuple" in str(known[key].type) else value for key, value in values.items()}
    try:
        return msgspec.convert(listed, factory, strict=False)
    except msgspec.ValidationError as error:
        if isinstance(error.__cause__, SettingsError):
            raise error.__cause__ from None
        raise SettingsError(f"[{section}] {error}") from None


def _table(raw: Mapping[str, object], section: str) -> Mapping[str, object]:
    table = raw.get(section, {})
    if not isinstance(table, dict):
        raise SettingsError(f"[{section}] must be a table")
    return table


def _split_list(value: object) -> object:
    """In the environment a list is written with commas."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _execution_enabled(environ: Mapping[str, str]) -> bool:
    value = environ.get("EXECUTION_ENABLED", "false")
    if value not in {"true", "false"}:
        raise SettingsError(f"EXECUTION_ENABLED is {value!r}: write true to trade with real money, or false; nothing else is understood")
    return value == "true"

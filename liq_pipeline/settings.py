"""LIQ_* settings: environment variables and a ``.env`` file, validated once at start."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, ValidationInfo, field_validator

from liq_pipeline.errors import SettingsError

EXCHANGES: Final = ("binance", "bybit", "okx")
FEEDS: Final = (*EXCHANGES, *(f"{exchange}:inverse" for exchange in EXCHANGES))
"""What can be collected: the linear contracts of an exchange by its name alone, the inverse ones apart."""
# USD are counted in millionths and in 64 bits.
_MAX_USD: Final = Decimal(10**12)
_SECRETS: Final = ("database_url", "redis_url", "alert_urls")
# Mail addresses in an Apprise URL are separated by commas, too.
_BETWEEN_URLS: Final = re.compile(r"[,\s]+(?=[A-Za-z][A-Za-z0-9+.-]*://)")
_URL_VARIABLE: Final = re.compile(r"LIQ_(WS|REST)_URL_(.*)")


def default_home() -> Path:
    """Where embedded servers keep their data when LIQ_HOME is not set.

    PostgreSQL refuses to run as root and its unprivileged user cannot enter root's home.
    """
    return Path("/var/lib/liq") if os.geteuid() == 0 else Path.home() / ".local/share/liq"


class Settings(BaseModel):
    """Everything that can be configured; every field is the environment variable ``LIQ_<FIELD>``."""

    model_config = ConfigDict(frozen=True)

    home: Path = Field(default_factory=default_home)
    embedded: Literal["auto", "wheel"] = "auto"
    database_url: SecretStr | None = None
    redis_url: SecretStr | None = None
    exchanges: tuple[str, ...] = EXCHANGES
    """The feeds to collect."""
    symbols: tuple[str, ...] = ()
    """Canonical symbols to collect; empty means all the venue lists (``*``)."""
    significant_usd: Decimal = Field(default=Decimal(100_000), gt=0, le=_MAX_USD, decimal_places=6)
    cascade_window_seconds: int = Field(default=60, ge=1, le=86_400)
    cascade_min_events: int = Field(default=5, ge=1)
    cascade_min_usd: Decimal = Field(default=Decimal(100_000), ge=0, le=_MAX_USD, decimal_places=6)
    retention_days: int = Field(default=90, ge=0)
    rollup_retention_days: int = Field(default=365, ge=0)
    stream_hours: int = Field(default=2, ge=1)
    shift_seconds: int = Field(default=3600, ge=120, le=86_400)
    """How long one run of the collector, or of the live view, lasts under Dagster before the next takes over: new code
    and settings are in force by then. At least twice the minute that the next one is asked for ahead."""
    dagster_retention_days: int = Field(default=7, ge=0)
    """How long Dagster keeps runs and events that newer ones superseded; 0 for ever."""
    start_date: date = date(2023, 6, 1)
    alert_cascade_usd: tuple[Decimal, ...] = (Decimal(10_000_000),)
    """Rising USD totals at which a cascade is told of, each once; empty (``none``) for never."""
    alert_cascade_risk: tuple[Decimal, ...] = (Decimal("0.9"),)
    """The same for risk scores, above 0 and at most 1. To reach 0.9 takes a fast, one-sided burst with several of the
    largest kind of events: a window of less than 600,000 USD cannot."""
    archive_dir: Path | None = None
    """A folder of archive files, laid out as ``archive.layout`` says; its days are imported by themselves."""
    report_dir: Path | None = None
    """Where the daily reports are written; None (the default) for the folder ``reports`` of LIQ_HOME."""
    alert_urls: tuple[SecretStr, ...] = ()
    """Apprise URLs, separated by commas or blanks; a comma inside one belongs to it."""
    alert_severity: Literal["warn", "error"] = "warn"
    """The lowest severity of an incident that is sent; what is below is still in `liq status` and the UI."""
    alert_settle_seconds: int = Field(default=600, ge=0, le=86_400)
    """How long something has to stay well before it counts as healed; what breaks again until then says nothing new.
    By default two refreshes of today, whose checks could flap from one to the next."""
    alert_group_seconds: int = Field(default=60, ge=0, le=3600)
    """A channel is sent at most one message in that time: what happens in between is one message."""
    alert_down_seconds: int = Field(default=120, ge=15, le=86_400)
    """For how long nobody may hold the lease of a feed, or of the live view, before that is an incident."""
    ui_url: str = "http://127.0.0.1:3000"
    """Where people reach the Dagster UI: the start of the links in alerts. ``liq up`` sets it to its own."""
    price_distance: float = Field(default=0.2, gt=0, allow_inf_nan=False)
    """How far a price may be from the median of its symbol's minute, as a share of the median. This and what follows
    are thresholds of checks: they change no table."""
    limit_beyond_share: float = Field(default=0.98, gt=0, le=1)
    """The least share of a venue's order limits that are on the losing side of their fills."""
    venue_share_distance: float = Field(default=0.25, gt=0, le=1)
    """How far a venue's share of a day's events may be from its usual one."""
    clock_ahead_seconds: float = Field(default=2, ge=0, le=86_400)
    """How long before its time by our clock an event may arrive."""
    delivery_seconds: float = Field(default=60, gt=0, le=86_400)
    """How long after its time half of a venue's events may arrive at most."""
    coverage_threshold: float = Field(default=0.95, ge=0, le=1)
    """The least share of a day in which a feed was covered, or healed."""
    silent_seconds: int = Field(default=600, ge=1, le=86_400)
    """A venue that is covered and has no event for so long is taken for silent, if the others had so many that …"""
    silent_expected_events: int = Field(default=50, ge=1)
    """… so many of its own were to be expected. Half of both took chance for silence more than twice as often, in
    simulated markets whose bursts differ in their venues; an hour of silence is found either way."""
    fresh_seconds: int = Field(default=900, ge=60)
    """How long a table may be behind what landed, or what it is made of. Today is refreshed every 300."""
    alive_seconds: int = Field(default=120, ge=30)
    """How long a feed that is collected may be without any frame."""
    backlog_entries: int = Field(default=200_000, ge=1)
    """How many entries may wait in Redis for the database: four times what the heaviest burst recorded brings between
    two drains."""
    ws_urls: dict[str, str] = Field(default_factory=dict)
    """Overrides by feed, from LIQ_WS_URL_<EXCHANGE>."""
    rest_urls: dict[str, str] = Field(default_factory=dict)

    @field_validator("home", "archive_dir", "report_dir")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return value and value.expanduser().absolute()

    @field_validator("exchanges", mode="before")
    @classmethod
    def _feeds(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        feeds = tuple(_items(value.lower()))
        unknown = [feed for feed in feeds if feed not in FEEDS]
        if unknown or not feeds:
            raise ValueError(
                f"{', '.join(unknown) or 'nothing'} is not a known exchange; use {', '.join(EXCHANGES)}, "
                "or one of these followed by :inverse"
            )
        return tuple(dict.fromkeys(feeds))

    @field_validator("symbols", mode="before")
    @classmethod
    def _symbol_list(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        symbols = tuple(dict.fromkeys(_items(value.upper())))
        return () if "*" in symbols else symbols

    @field_validator("alert_urls", mode="before")
    @classmethod
    def _alert_list(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(dict.fromkeys(url for url in _BETWEEN_URLS.split(value.strip(", \n\t")) if url))

    @field_validator("alert_severity", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.strip().lower() if isinstance(value, str) else value

    @field_validator("alert_cascade_usd", "alert_cascade_risk", mode="before")
    @classmethod
    def _level_list(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return () if value.strip().lower() == "none" else tuple(_items(value))

    @field_validator("alert_cascade_usd", "alert_cascade_risk")
    @classmethod
    def _rising(cls, value: tuple[Decimal, ...], info: ValidationInfo) -> tuple[Decimal, ...]:
        most, example = (Decimal(1), "0.8,0.9") if info.field_name == "alert_cascade_risk" else (_MAX_USD, "1e6,1e7")
        inside = all(level.is_finite() and 0 < level <= most for level in value)
        if not inside or any(after <= before for before, after in pairwise(value)):
            raise ValueError(f"is no list of rising levels above 0 and at most {most:f}; write {example}, or none")
        return value

    @field_validator("database_url")
    @classmethod
    def _postgresql(cls, value: SecretStr | None) -> SecretStr | None:
        return _with_scheme(value, ("postgresql", "postgres"), "postgresql://user:password@host:5432/liquidations")

    @field_validator("redis_url")
    @classmethod
    def _redis(cls, value: SecretStr | None) -> SecretStr | None:
        checked = _with_scheme(value, ("redis", "rediss", "unix"), "redis://:password@host:6379/1")
        url = urlsplit(checked.get_secret_value()) if checked else None
        # The client would take database 0 for a name it cannot read.
        if url and url.scheme != "unix" and not re.fullmatch(r"/?\d*", url.path, re.ASCII):
            raise ValueError("names no database; end it with a number, as in redis://:password@host:6379/1")
        return checked

    @property
    def derived_days(self) -> int:
        """How long rollups, cascades and significant rows are kept, in days, 0 for ever: never shorter than the events
        they are made of, or a day could be made again and again of events that are there, and be dropped again."""
        both = (self.retention_days, self.rollup_retention_days)
        return max(both) if all(both) else 0

    @property
    def reports(self) -> Path:
        """The folder of the daily reports."""
        return self.report_dir or self.home / "reports"

    @property
    def detection_hash(self) -> str:
        """Changes exactly when a setting changes what is written to a day's tables."""
        text = "|".join(
            str(value)
            for value in (
                self.significant_usd.normalize(),
                self.cascade_window_seconds,
                self.cascade_min_events,
                self.cascade_min_usd.normalize(),
            )
        )
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def load_settings(environ: Mapping[str, str] | None = None, env_file: Path | None = Path(".env")) -> Settings:
    """Settings from ``environ`` (default: the process's) over ``env_file`` over the defaults.

    A secret's variable with ``_FILE`` after its name holds the path of a file with the value, as containers have it.
    Raises SettingsError naming every wrong variable, its value and the fix; values of secrets are not shown.
    """
    from_file = dotenv_values(env_file) if env_file is not None and env_file.is_file() else {}
    merged = {**{k: v for k, v in from_file.items() if v is not None}, **(os.environ if environ is None else environ)}
    merged = {**_from_secret_files(merged), **{name: value for name, value in merged.items() if value.strip()}}
    fields = {name: merged[variable] for name in Settings.model_fields if (variable := f"LIQ_{name.upper()}") in merged}
    urls = {"WS": dict[str, str](), "REST": dict[str, str]()}
    for variable, value in merged.items():
        if match := _URL_VARIABLE.fullmatch(variable):
            feed = _feed_of(variable, match[2])
            urls[match[1]][feed] = _checked_url(variable, match[1], value)
    try:
        return Settings.model_validate({**fields, "ws_urls": urls["WS"], "rest_urls": urls["REST"]})
    except ValidationError as error:
        raise SettingsError("; ".join(_explain(error))) from None


def known_variables() -> list[str]:
    """The variables that are read, but for the URLs of venues."""
    names = [f"LIQ_{name.upper()}" for name in Settings.model_fields if name not in ("ws_urls", "rest_urls")]
    return [*names, *(f"LIQ_{name.upper()}_FILE" for name in _SECRETS)]


def _from_secret_files(variables: Mapping[str, str]) -> dict[str, str]:
    """Values of secrets that are in files."""
    found = {}
    for name in _SECRETS:
        variable = f"LIQ_{name.upper()}"
        if path := variables.get(f"{variable}_FILE", "").strip():
            try:
                found[variable] = Path(path).read_text("utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise SettingsError(
                    f"{variable}_FILE={path!r}: {getattr(error, 'strerror', None) or error}: name a readable file "
                    f"that holds what {variable} would"
                ) from None
            if not found[variable]:
                raise SettingsError(f"{variable}_FILE={path!r} is empty: it has to hold what {variable} would")
    return found


def _items(text: str) -> Iterator[str]:
    return (item.strip() for item in text.split(",") if item.strip())


def _with_scheme(value: SecretStr | None, schemes: tuple[str, ...], example: str) -> SecretStr | None:
    if value is not None and urlsplit(value.get_secret_value()).scheme not in schemes:
        raise ValueError(f"is not a URL of that kind; write it like {example}")
    return value


def _checked_url(variable: str, kind: str, value: str) -> str:
    schemes = ("ws", "wss") if kind == "WS" else ("http", "https")
    try:
        url = urlsplit(value)
        usable = url.scheme in schemes and url.hostname and url.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise SettingsError(f"{variable}={value!r} is not a {schemes[0]}:// or {schemes[1]}:// URL with a host")
    return value.rstrip("/")


def _feed_of(variable: str, name: str) -> str:
    """The feed a URL variable is for. An unknown one is a slip of the pen that would leave the venue's own URL."""
    exchange = name.removesuffix("_INVERSE").lower()
    if exchange not in EXCHANGES:
        known = ", ".join(exchange.upper() for exchange in EXCHANGES)
        raise SettingsError(f"{variable} names no known exchange; end it with one of {known}, or that and _INVERSE")
    return f"{exchange}:inverse" if name.endswith("_INVERSE") else exchange


def _explain(error: ValidationError) -> Iterator[str]:
    for item in error.errors():
        name = str(item["loc"][0])
        shown = "(hidden)" if name in _SECRETS else repr(item["input"])
        yield f"LIQ_{name.upper()}={shown}: {item['msg'].removeprefix('Value error, ')}"

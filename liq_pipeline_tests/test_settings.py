from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from liq_pipeline import exchanges
from liq_pipeline import settings as settings_module
from liq_pipeline.errors import SettingsError
from liq_pipeline.settings import load_settings


def test_defaults_are_those_of_the_documentation() -> None:
    settings = load_settings({}, env_file=None)
    assert settings.exchanges == ("binance", "bybit", "okx")
    assert settings.symbols == ()
    assert settings.significant_usd == 100_000
    assert (settings.cascade_window_seconds, settings.cascade_min_events, settings.cascade_min_usd) == (60, 5, 100_000)
    assert (settings.retention_days, settings.rollup_retention_days, settings.stream_hours) == (90, 365, 2)
    assert settings.start_date == date(2023, 6, 1)
    assert settings.embedded == "auto"
    assert settings.archive_dir is None


def test_inverse_feeds_are_collected_where_they_are_named() -> None:
    settings = load_settings({"LIQ_EXCHANGES": "okx, Binance:inverse,bybit:inverse"}, env_file=None)
    assert settings.exchanges == ("okx", "binance:inverse", "bybit:inverse")
    assert settings_module.FEEDS == exchanges.FEEDS


def test_the_environment_wins_over_the_env_file(tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text("LIQ_STREAM_HOURS=3\nLIQ_SIGNIFICANT_USD=250000\n")
    settings = load_settings({"LIQ_STREAM_HOURS": "4"}, env_file=env_file)
    assert settings.stream_hours == 4
    assert settings.significant_usd == Decimal(250_000)


def test_levels_of_cascade_alerts_are_lists_that_may_be_empty() -> None:
    given = {"LIQ_ALERT_CASCADE_USD": "1e6, 25000000", "LIQ_ALERT_CASCADE_RISK": "none"}
    settings = load_settings(given, env_file=None)
    assert settings.alert_cascade_usd == (Decimal(1_000_000), Decimal(25_000_000))
    assert settings.alert_cascade_risk == ()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("LIQ_ALERT_CASCADE_USD", "2e6,1e6"),
        ("LIQ_ALERT_CASCADE_USD", "0"),
        ("LIQ_ALERT_CASCADE_USD", "inf"),
        ("LIQ_ALERT_CASCADE_USD", "much"),
        ("LIQ_ALERT_CASCADE_RISK", "0.9,1.1"),
        ("LIQ_ALERT_CASCADE_RISK", "0.9,0.9"),
    ],
)
def test_levels_that_do_not_rise_within_their_bounds_are_refused(variable: str, value: str) -> None:
    with pytest.raises(SettingsError, match=variable):
        load_settings({variable: value}, env_file=None)


def test_folders_are_absolute_paths() -> None:
    assert load_settings({"LIQ_ARCHIVE_DIR": "~/archive"}, env_file=None).archive_dir == Path.home() / "archive"
    assert load_settings({"LIQ_REPORT_DIR": "~/reports"}, env_file=None).reports == Path.home() / "reports"
    assert load_settings({"LIQ_HOME": "/srv/liq"}, env_file=None).reports == Path("/srv/liq/reports")


def test_venue_urls_are_read_by_feed_inverse_feeds_included() -> None:
    settings = load_settings(
        {
            "LIQ_WS_URL_BINANCE": "ws://127.0.0.1:9001/",
            "LIQ_WS_URL_OKX_INVERSE": "wss://proxy.example/okx",
            "LIQ_REST_URL_BYBIT": "http://127.0.0.1:9002",
        },
        env_file=None,
    )
    assert settings.ws_urls == {"binance": "ws://127.0.0.1:9001", "okx:inverse": "wss://proxy.example/okx"}
    assert settings.rest_urls == {"bybit": "http://127.0.0.1:9002"}


def test_a_star_among_the_symbols_means_all_of_them() -> None:
    assert load_settings({"LIQ_SYMBOLS": "BTCUSDT,*"}, env_file=None).symbols == ()
    assert load_settings({"LIQ_SYMBOLS": "btcusdt, ETHUSDT"}, env_file=None).symbols == ("BTCUSDT", "ETHUSDT")


def test_an_empty_variable_means_the_default() -> None:
    assert load_settings({"LIQ_STREAM_HOURS": " "}, env_file=None).stream_hours == 2


@pytest.mark.parametrize(
    ("variable", "value", "fix"),
    [
        ("LIQ_EXCHANGES", "binance,kucoin", "use binance, bybit, okx"),
        ("LIQ_EXCHANGES", "okx:quanto", "followed by :inverse"),
        ("LIQ_EXCHANGES", " , ", "use binance, bybit, okx"),
        ("LIQ_CASCADE_MIN_EVENTS", "five", "valid integer"),
        ("LIQ_CASCADE_MIN_EVENTS", "0", "greater than or equal to 1"),
        ("LIQ_SIGNIFICANT_USD", "-5", "greater than 0"),
        ("LIQ_CASCADE_MIN_USD", "0.0000001", "6 decimal places"),
        ("LIQ_CASCADE_MIN_USD", "NaN", "finite"),
        ("LIQ_SIGNIFICANT_USD", "1e13", "less than or equal to"),
        ("LIQ_START_DATE", "yesterday", "date"),
        ("LIQ_EMBEDDED", "docker", "'auto' or 'wheel'"),
        ("LIQ_WS_URL_BINANCE", "http://127.0.0.1", "ws://"),
        ("LIQ_REST_URL_OKX", "ws://127.0.0.1", "http://"),
        ("LIQ_WS_URL_BINANCE", "ws://[127.0.0.1", "ws://"),
        ("LIQ_WS_URL_BINANCE", "ws://127.0.0.1:99999", "ws://"),
    ],
)
def test_a_wrong_setting_names_the_variable_the_value_and_the_fix(variable: str, value: str, fix: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({variable: value}, env_file=None)
    message = str(caught.value)
    assert variable in message
    assert value.strip(" ,") in message
    assert fix in message


@pytest.mark.parametrize("variable", ["LIQ_WS_URL_BINNANCE", "LIQ_REST_URL_okxx", "LIQ_WS_URL_INVERSE", "LIQ_WS_URL_"])
def test_a_url_for_an_unknown_exchange_is_refused(variable: str) -> None:
    with pytest.raises(SettingsError, match=rf"{variable} names no known exchange.* BINANCE, BYBIT, OKX"):
        load_settings({variable: "ws://127.0.0.1:1"}, env_file=None)


@pytest.mark.parametrize("url", ["redis://:hunter2@host:6379/one", "rediss://:hunter2@host/1/2"])
def test_a_redis_url_whose_database_is_no_number_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(SettingsError, match=r"LIQ_REDIS_URL=\(hidden\).*end it with a number") as caught:
        load_settings({"LIQ_REDIS_URL": url}, env_file=None)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["redis://host:6379", "redis://host/", "redis://host/12", "unix:///run/redis.sock?db=1"]
)
def test_redis_urls_with_a_number_or_a_socket_are_taken(url: str) -> None:
    redis_url = load_settings({"LIQ_REDIS_URL": url}, env_file=None).redis_url
    assert redis_url is not None and redis_url.get_secret_value() == url


@pytest.mark.parametrize("variable", ["LIQ_DATABASE_URL", "LIQ_REDIS_URL"])
def test_secrets_are_shown_neither_in_errors_nor_in_settings(variable: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({variable: "mysql://me:hunter2@db"}, env_file=None)
    assert variable in str(caught.value)
    assert "hunter2" not in str(caught.value)
    good = load_settings(
        {"LIQ_DATABASE_URL": "postgresql://me:hunter2@db/x", "LIQ_ALERT_URLS": "json://me:hunter2@host"}, env_file=None
    )
    assert "hunter2" not in repr(good)


def test_the_detection_hash_changes_with_what_detection_uses_and_nothing_else() -> None:
    base = load_settings({}, env_file=None).detection_hash
    assert load_settings({"LIQ_STREAM_HOURS": "9"}, env_file=None).detection_hash == base
    assert load_settings({"LIQ_SIGNIFICANT_USD": "100000.0"}, env_file=None).detection_hash == base
    for variable in (
        "LIQ_SIGNIFICANT_USD",
        "LIQ_CASCADE_WINDOW_SECONDS",
        "LIQ_CASCADE_MIN_EVENTS",
        "LIQ_CASCADE_MIN_USD",
    ):
        assert load_settings({variable: "77"}, env_file=None).detection_hash != base


def test_a_secret_may_be_in_a_file_and_its_own_variable_wins(tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text("postgresql://liq:s3cr3t@postgres:5432/liquidations\n")
    variables = {"LIQ_DATABASE_URL_FILE": str(file), "LIQ_DATABASE_URL": " "}
    url = load_settings(variables, env_file=None).database_url
    assert url is not None and url.get_secret_value() == "postgresql://liq:s3cr3t@postgres:5432/liquidations"
    variables["LIQ_DATABASE_URL"] = "postgresql://other/liquidations"
    url = load_settings(variables, env_file=None).database_url
    assert url is not None and url.get_secret_value() == "postgresql://other/liquidations"


def test_a_secret_file_that_cannot_be_used_is_named_without_its_content(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"LIQ_REDIS_URL_FILE='/no/such/file': No such file.*LIQ_REDIS_URL would"):
        load_settings({"LIQ_REDIS_URL_FILE": "/no/such/file"}, env_file=None)
    empty, wrong = tmp_path / "empty", tmp_path / "wrong"
    empty.touch()
    wrong.write_text("mysql://liq:s3cr3t@host/x")
    with pytest.raises(SettingsError, match="is empty"):
        load_settings({"LIQ_ALERT_URLS_FILE": str(empty)}, env_file=None)
    with pytest.raises(SettingsError, match=r"LIQ_DATABASE_URL=\(hidden\)") as raised:
        load_settings({"LIQ_DATABASE_URL_FILE": str(wrong)}, env_file=None)
    assert "s3cr3t" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "urls"),
    [
        ("json://a, slack://b/c", ["json://a", "slack://b/c"]),
        ("mailto://h?to=a@x.org,b@x.org,tgram://t/1", ["mailto://h?to=a@x.org,b@x.org", "tgram://t/1"]),
        (" json://a\n  json://b , json://a", ["json://a", "json://b"]),
        ("nonsense", ["nonsense"]),
    ],
)
def test_a_comma_in_an_alert_url_separates_nothing(text: str, urls: list[str]) -> None:
    found = load_settings({"LIQ_ALERT_URLS": text}, None).alert_urls
    assert [url.get_secret_value() for url in found] == urls

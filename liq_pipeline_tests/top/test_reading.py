"""What `liq top` reads: the numbers of a naive recomputation, in few and bounded questions."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from decimal import Decimal
from urllib.parse import urlsplit

import pytest
import redis

from liq_pipeline import streams
from liq_pipeline.errors import ServerError
from liq_pipeline.live.standing import NOT_RUNNING
from liq_pipeline.settings import Settings
from liq_pipeline.streams import Entry
from liq_pipeline.top.reading import Onlooker
from liq_pipeline.top.sources import Redis
from liq_pipeline_tests.collector.harness import until
from liq_pipeline_tests.faults.proxy import Proxy
from liq_pipeline_tests.live import naive
from liq_pipeline_tests.live.harness import land, running
from liq_pipeline_tests.live.streaming import make
from liq_pipeline_tests.live.test_live import expected, shows
from liq_pipeline_tests.warehouse.making import NOON

STRANGE = "A:B*[x]?:LONG"
DEFINITION = 60_000, 5, Decimal(100_000)


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        yield client


def market(count: int) -> list[Entry]:
    """Two hours of a replay that ends in a cascade, with symbols that look like keys and patterns."""
    dice, moment, made = random.Random(4), NOON, []
    for number in range(count):
        moment += dice.choice((0, 400, 30_000, 45_000))
        made.append(
            make(
                number,
                moment,
                symbol=dice.choice(("BTCUSDT", "BTCUSDT", "狗狗USDT", STRANGE)),
                exchange=dice.choice(("binance", "bybit", "okx")),
                value=dice.choice(("20000", "30000.5", "600000", "0.25")),
                price=str(dice.choice((50_000, 50_099.9, 50_100))),
                is_long=dice.random() < 0.7,
                source="replay",
            ).entry
        )
    made += [make(count + n, moment + n, symbol=STRANGE, value="90000", source="replay").entry for n in range(6)]
    return made


def test_it_shows_what_a_naive_recomputation_from_the_streams_says(client: redis.Redis, redis_url: str) -> None:
    entries = market(300)
    at = max(entry.liquidation.time for entry in entries)

    async def scenario() -> None:
        async with running(redis_url) as view:
            land(client, entries)
            await until(lambda: view.has(len(entries)), "all events counted")
            await shows(client, expected(entries, at))
            await until(lambda: client.hmget("liq:live", "state", "active") == [b"live", b"1"], "it says how it is")
            onlooker = Onlooker(client, ("binance", "okx"))
            check(onlooker, entries, at)

    asyncio.run(scenario())


def check(onlooker: Onlooker, entries: Sequence[Entry], at: int) -> None:
    shown = naive.hour(entries, at)
    moment = onlooker.look()
    assert (moment.live.state, moment.live.watermark) == ("live", at)
    assert [feed.feed for feed in moment.feeds] == ["binance", "okx"]
    assert {(each.exchange, each.side): (each.event_count, each.total_value_usd) for each in moment.venues} == {
        (exchange, side): (int(fields["count"]), Decimal(fields["total_value"]))
        for key, fields in shown.items()
        if (found := key.removeprefix("liq:hour:").partition(":")) and (exchange := found[0]) and (side := found[2])
        if key.startswith("liq:hour:") and key != "liq:hour:largest"
    }
    hour = [entry.liquidation for entry in entries if entry.liquidation.time > at - naive.HOUR]
    ranked = sorted(hour, key=lambda event: (Decimal(event.value_usd), event.time, event.event_id), reverse=True)
    assert [each.event_id for each in moment.largest] == [event.event_id for event in ranked[:20]]
    assert [each.value_usd for each in moment.largest] == [Decimal(event.value_usd) for event in ranked[:20]]
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for event in hour:
        sums[event.symbol] += Decimal(event.value_usd)
    assert {each.symbol: each.total_value_usd for each in moment.symbols} == sums
    assert moment.symbol == moment.symbols[0].symbol == max(sums, key=sums.__getitem__)
    (status,) = naive.statuses(entries, at, *DEFINITION).values()
    (cascade,) = moment.cascades
    assert cascade.symbol == STRANGE
    assert (cascade.cascade_id, cascade.event_count) == (status["cascade_id"], int(status["event_count"]))
    assert (cascade.risk_score, cascade.total_value_usd) == (
        Decimal(status["risk_score"]),
        Decimal(status["total_value"]),
    )
    for symbol in sums:
        onlooker.symbol = symbol
        moment = onlooker.look()
        assert moment.symbol == symbol
        levels = {f"liq:levels:{symbol}:{each.price_level:f}:{each.side}": each for each in moment.levels}
        assert {key: (each.event_count, each.total_value_usd) for key, each in levels.items()} == {
            key: (int(fields["count"]), Decimal(fields["total_value"]))
            for key, fields in shown.items()
            if key.startswith(f"liq:levels:{symbol}:") and key.removeprefix(f"liq:levels:{symbol}:").count(":") == 1
        }


def levels(client: redis.Redis, symbols: int, each: int) -> None:
    pipeline = client.pipeline(transaction=False)
    for symbol in range(symbols):
        for level in range(each):
            fields = {"count": 1, "total_value": symbol + 1, "total_quantity": 1, "first_seen": 1, "last_seen": 1}
            pipeline.hset(f"liq:levels:C{symbol}USDT:{level}:LONG", mapping=fields)
    pipeline.execute()


def test_with_ten_thousand_levels_a_look_asks_for_those_of_one_symbol_and_a_slice_of_names_at_most(
    client: redis.Redis,
) -> None:
    levels(client, 500, 20)
    onlooker = Onlooker(client, ("binance",))
    moment = onlooker.look()
    assert (moment.symbol, len(moment.levels), len(moment.symbols)) == ("C499USDT", 20, 500)
    for _ in range(3):
        client.config_resetstat()
        assert len(onlooker.look().levels) == 20
        asked = {name: int(stats["calls"]) for name, stats in client.info("commandstats").items()}
        assert asked.get("cmdstat_scan", 0) <= 1
        assert asked.get("cmdstat_hget", 0) <= 2_100
        assert asked["cmdstat_hgetall"] < 60
        assert "cmdstat_keys" not in asked


def test_a_cascade_that_the_live_view_counts_and_levels_that_went_are_known_soon(client: redis.Redis) -> None:
    levels(client, 2, 2)
    onlooker = Onlooker(client, ("binance",))
    assert onlooker.look().symbol == "C1USDT"
    for key in client.scan_iter(match="liq:levels:C1USDT:*"):
        client.delete(key)
    client.set(streams.lease_key(streams.LIVE), "somebody")
    client.hset("liq:live", mapping={"state": "live", "active": 1})
    status = {"cascade_id": "x", "start_time": 1, "event_count": 5, "total_value": "7.5", "risk_score": "0.5"}
    client.hset("liq:cascade:status:X", mapping={**status, "exchanges": "binance,okx", "supersedes": ""})
    moments = [onlooker.look() for _ in range(4)]
    (cascade,) = moments[-1].cascades
    assert (cascade.symbol, cascade.exchanges_involved) == ("X", ["binance", "okx"])
    assert [each.symbol for each in moments[-1].symbols] == ["C0USDT"]
    assert (moments[-1].symbol, len(moments[-1].levels)) == ("C0USDT", 2)
    client.delete("liq:cascade:status:X")
    assert not onlooker.look().cascades


def test_of_two_symbols_that_are_about_as_large_the_one_that_is_shown_stays(client: redis.Redis) -> None:
    def value(symbol: str, usd: int) -> None:
        client.hset(f"liq:levels:{symbol}:1:LONG", mapping={"count": 1, "total_value": usd})

    def shown() -> str | None:
        # A pass begins, meets the names, and asks for their values.
        onlooker._names._began = 0
        return [onlooker.look() for _ in range(4)][-1].symbol

    value("AUSDT", 100)
    value("BUSDT", 90)
    onlooker = Onlooker(client, ())
    assert onlooker.look().symbol == "AUSDT"
    value("BUSDT", 110)
    assert shown() == "AUSDT"
    value("BUSDT", 121)
    assert shown() == "BUSDT"


def test_an_empty_redis_and_feeds_that_nobody_collects_are_said_as_such(client: redis.Redis) -> None:
    client.hset(streams.feed_key("okx"), mapping={"state": "live", "events": 5, "events_per_minute": 3})
    client.set(streams.lease_key("bybit"), "somebody")
    moment = Onlooker(client, ("binance", "bybit")).look()
    assert moment.live.state == NOT_RUNNING
    assert {feed.feed: (feed.state, feed.complete, feed.events_per_minute) for feed in moment.feeds} == {
        "binance": ("not collected", False, 0),
        "bybit": ("starting", True, 0),
        "okx": ("not collected", False, 0),
    }
    assert (moment.symbol, moment.venues, moment.largest, moment.cascades) == (None, [], [], [])


def test_a_redis_that_was_away_is_found_again_wherever_it_is_then(
    client: redis.Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = urlsplit(redis_url)
    source = Redis(Settings(), None)

    async def scenario() -> None:
        async with Proxy((str(parts.hostname), int(parts.port or 0))) as proxy:
            through = parts._replace(netloc=f":{parts.password}@127.0.0.1:{proxy.port}").geturl()
            monkeypatch.setattr(source, "locate", lambda: through)
            assert (await asyncio.to_thread(source.read)).time
            proxy.refusing = True
            proxy.cut()
            for _ in range(2):
                with pytest.raises(ServerError, match="start Redis"):
                    await asyncio.to_thread(source.read)
            monkeypatch.setattr(source, "locate", lambda: redis_url)
            assert (await asyncio.to_thread(source.read)).time
            source.close()

    asyncio.run(scenario())

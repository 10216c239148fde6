"""Connections that break, fall silent, grow old or are refused: the feed goes on, and says what it did not see."""

from __future__ import annotations

import asyncio
import json

import pytest

from liq_pipeline_tests.collector.harness import collecting, run, until
from liq_pipeline_tests.fakes import frames
from liq_pipeline_tests.fakes.venue import FakeVenue

FRAMES = {"binance": frames.binance, "bybit": frames.bybit, "okx": frames.okx}
BYBIT_LIST = "/v5/market/instruments-info?category=linear&limit=1000"


def list_bybit(venue: FakeVenue, *symbols: str) -> None:
    venue.rest[BYBIT_LIST] = {
        "retCode": 0,
        "result": {"category": "linear", "list": [{"symbol": symbol} for symbol in symbols], "nextPageCursor": ""},
    }


def venue_of(exchange: str) -> FakeVenue:
    venue = FakeVenue(exchange)
    list_bybit(venue, "BTCUSDT", "ETHUSDT")
    return venue


@pytest.mark.parametrize("exchange", ["binance", "bybit", "okx"])
def test_events_of_every_venue_land_with_their_raw_frame(redis_url: str, exchange: str) -> None:
    async def scenario() -> None:
        async with venue_of(exchange) as venue, collecting(redis_url, venue) as collector:
            sent = [FRAMES[exchange](number) for number in range(20)]
            await venue.send(*sent)
            await until(lambda: len(collector.entries(exchange)) == 20, "20 events landed")
            entries = collector.entries(exchange)
            assert [entry.raw.decode() for entry in entries] == sent
            assert {entry.source for entry in entries} == {"stream"}
            report = await collector.finish()
            assert report.unwritten == 0 and report.feeds[0].events == 20
            assert collector.health(exchange)["state"] == "stopped"

    run(scenario())


@pytest.mark.parametrize("abruptly", [False, True], ids=["closed", "reset"])
def test_a_connection_the_server_ends_is_replaced(redis_url: str, abruptly: bool) -> None:
    async def scenario() -> None:
        async with venue_of("okx") as venue, collecting(redis_url, venue) as collector:
            for round_ in range(3):
                await venue.send(FRAMES["okx"](round_))
                await until(lambda n=round_: len(collector.times("okx")) == n + 1, "the event landed")
                (connection,) = venue.live
                if abruptly:
                    connection.transport.abort()
                else:
                    await connection.close(1012, "restart")
                await until(lambda n=round_: venue.opened == n + 2 and collector.state("okx") == "live", "reconnected")
            await until(lambda: collector.status["okx"].reconnects == 3, "the status counts the reconnects")
            await until(lambda: collector.health("okx")["reconnects"] == "3", "health counts the reconnects")

    run(scenario())


def test_a_venue_that_refuses_the_handshake_is_tried_for_ever_and_found_again(redis_url: str) -> None:
    async def scenario() -> None:
        async with venue_of("okx") as venue:
            venue.closed_door = True
            async with collecting(redis_url, venue, wait=False) as collector:
                await until(lambda: "503" in (collector.health("okx").get("error") or ""), "the refusal shows")
                venue.closed_door = False
                await until(lambda: collector.state("okx") == "live", "live again")
                await until(lambda: "503" not in collector.health("okx")["error"], "the error is gone")

    run(scenario())


def test_a_half_open_connection_is_relieved_and_claims_nothing_after_its_last_frame(redis_url: str) -> None:
    async def scenario() -> None:
        # Long beside the keepalive's 0.05 s, so that a busy machine is not taken for a dead connection.
        quick = {"okx": {"silence_seconds": 2.0}}
        async with venue_of("okx") as venue, collecting(redis_url, venue, adapters=quick) as collector:
            await until(lambda: collector.spans("okx"), "something is covered")
            (dead,) = venue.live
            venue.mute.add(dead)
            await until(lambda: venue.opened > 1 and dead not in venue.live, "another connection took over")
            await venue.send(FRAMES["okx"](1))
            await until(lambda: collector.times("okx"), "the successor delivers")
            await until(lambda: len(collector.covered("okx")) > 1, "the silence is a gap")
            (_, gap_start), (gap_end, _), *_ = collector.covered("okx")
            assert gap_end - gap_start >= 1_500
            await until(lambda: collector.explained("okx", "silent", gap_start, gap_end), "the gap is explained")

    run(scenario())


def test_a_successor_that_cannot_connect_leaves_the_silent_connection_its_chance(redis_url: str) -> None:
    async def scenario() -> None:
        quick = {"okx": {"silence_seconds": 2.0}}
        async with venue_of("okx") as venue, collecting(redis_url, venue, adapters=quick) as collector:
            (only,) = venue.live
            venue.closed_door = True
            venue.mute.add(only)
            await until(lambda: collector.state("okx") == "silent", "silence shows")
            venue.mute.discard(only)
            await until(lambda: collector.state("okx") == "live", "it speaks again")
            assert venue.opened == 1

    run(scenario())


def test_connections_renewed_before_their_limit_leave_no_gap_and_lose_no_event(redis_url: str) -> None:
    async def scenario() -> None:
        quick = {"binance": {"renew_seconds": 0.5}}
        async with venue_of("binance") as venue, collecting(redis_url, venue, adapters=quick) as collector:
            sent = 0
            while venue.opened < 5:
                await venue.send(FRAMES["binance"](sent))
                sent += 1
                await asyncio.sleep(0.005)
            await until(lambda: len(collector.times("binance")) == sent, "every event landed")
            await collector.finish()
            (span,) = collector.covered("binance")
            assert span[1] - span[0] >= 1_000
            assert len({item.connection for item in collector.spans("binance")}) >= 4

    run(scenario())


def test_a_connection_is_relieved_without_a_gap_where_nothing_but_answers_to_keepalives_comes(redis_url: str) -> None:
    async def scenario() -> None:
        # Answers are further apart than the two connections overlap: the older one's last is from before the younger.
        sparse = {"okx": {"renew_seconds": 0.5, "keepalive_seconds": 0.8}}
        async with venue_of("okx") as venue, collecting(redis_url, venue, adapters=sparse) as collector:
            await until(lambda: venue.opened >= 4, "renewed some times")
            await collector.finish()
            assert len(collector.covered("okx")) == 1
            assert collector.troubles("okx") == []

    run(scenario())


def test_a_venue_that_says_goodbye_has_delivered_until_then(redis_url: str) -> None:
    async def scenario() -> None:
        rare = {"okx": {"keepalive_seconds": 1.0}}
        async with venue_of("okx") as venue, collecting(redis_url, venue, adapters=rare) as collector:
            (connection,) = venue.live
            await asyncio.sleep(0.5)
            await connection.close(1012, "restart")
            await until(lambda: collector.covered("okx"), "covered")
            ((start, end),) = collector.covered("okx")
            assert end - start >= 400

    run(scenario())


def test_binance_that_acknowledges_and_stays_silent_is_never_covered(redis_url: str) -> None:
    async def scenario() -> None:
        async with venue_of("binance") as venue:
            venue.control = False
            async with collecting(redis_url, venue, wait=False) as collector:
                await until(lambda: venue.opened >= 2, "another attempt")
                await until(lambda: collector.health("binance").get("state") == "silent", "the silence shows")
                assert "control stream" in collector.health("binance")["error"]
                assert collector.spans("binance") == []
                await until(lambda: collector.troubles("binance"), "it is said while it lasts")
                venue.control = True
                await until(lambda: collector.spans("binance"), "covered once it speaks")
                until_covered = collector.spans("binance")[0].start
                begun = min(trouble.start for trouble in collector.troubles("binance"))
                await until(
                    lambda: collector.explained("binance", "silent", begun, until_covered), "explained without a hole"
                )

    run(scenario())


def test_a_venue_that_never_acknowledges_is_not_covered(redis_url: str) -> None:
    async def scenario() -> None:
        async with venue_of("bybit") as venue:
            venue.acknowledge = False
            async with collecting(redis_url, venue, wait=False) as collector:
                await until(lambda: "acknowledgement" in (collector.health("bybit").get("error") or ""), "said so")
                assert collector.spans("bybit") == []

    run(scenario())


def test_a_venue_whose_acknowledgements_are_swallowed_but_that_delivers_is_live(redis_url: str) -> None:
    async def scenario() -> None:
        async with venue_of("okx") as venue:
            venue.acknowledge = False
            async with collecting(redis_url, venue, wait=False) as collector:
                await until(lambda: venue.live, "connected")
                await venue.send(frames.okx(1))
                await until(lambda: collector.state("okx") == "live", "live in spite of it")
                assert venue.opened == 1
                assert len(collector.entries("okx")) == 1

    run(scenario())


def test_one_refused_symbol_does_not_stop_the_others(redis_url: str) -> None:
    async def scenario() -> None:
        async with venue_of("bybit") as venue:
            symbols = [f"COIN{number}USDT" for number in range(250)]
            list_bybit(venue, *symbols)
            venue.refused = {"allLiquidation.COIN137USDT"}
            async with collecting(redis_url, venue) as collector:
                (connection,) = venue.live
                wanted = {f"allLiquidation.{symbol}" for symbol in symbols} - venue.refused
                assert set(venue.topics[connection]) == wanted
                await venue.send(frames.bybit(1, "COIN1USDT"))
                await until(lambda: collector.times("bybit"), "others deliver")
                reasons = [reason for reason, _ in collector.rejections()]
                assert reasons and all("COIN137USDT" in reason for reason in reasons)
                await until(lambda: collector.health("bybit")["refused_symbols"] == "1", "health counts it")

    run(scenario())


@pytest.mark.parametrize("exchange", ["binance", "okx"])
def test_a_wholly_refused_subscription_is_recorded_and_tried_again(redis_url: str, exchange: str) -> None:
    async def scenario() -> None:
        async with venue_of(exchange) as venue:
            venue.refused = {"!forceOrder@arr", "liquidation-orders"}
            async with collecting(redis_url, venue, wait=False) as collector:
                await until(lambda: venue.opened >= 2 and collector.rejections(), "recorded, and tried again")
                assert collector.spans(exchange) == []
                venue.refused = set()
                await until(lambda: collector.state(exchange) == "live", "accepted in the end")

    run(scenario())


def test_more_symbols_than_a_connection_may_carry_are_divided_and_covered_only_together(redis_url: str) -> None:
    async def scenario() -> None:
        async with venue_of("bybit") as venue:
            symbols = [f"LONGNAME{number:04}USDT" for number in range(900)]
            list_bybit(venue, *symbols)
            async with collecting(redis_url, venue) as collector:
                await until(lambda: len(venue.live) >= 2, "several connections")
                await until(lambda: sum(map(len, venue.topics.values())) == 900, "all subscribed")
                assert all(len(json.dumps(topics)) < 21_000 for topics in venue.topics.values())
                await until(lambda: collector.covered("bybit"), "covered together")
                assert {span.parts for span in collector.spans("bybit")} == {len(venue.live)}

    run(scenario())


def test_new_listings_are_subscribed_and_delisted_symbols_dropped(redis_url: str) -> None:
    async def scenario() -> None:
        async with venue_of("bybit") as venue, collecting(redis_url, venue) as collector:
            list_bybit(venue, "ETHUSDT", "NEWUSDT")
            wanted = {"allLiquidation.ETHUSDT", "allLiquidation.NEWUSDT"}
            await until(
                lambda: len(venue.live) == 1 and set(venue.topics[venue.live[0]]) == wanted,
                "the new list is subscribed",
            )
            venue.rest.clear()
            await until(lambda: "instruments" in collector.health("bybit")["error"], "the list fails")
            list_bybit(venue)
            requests = len(venue.rest_requests)
            await until(lambda: len(venue.rest_requests) > requests + 1, "an empty list was read")
            assert set(venue.topics[venue.live[0]]) == wanted
            await collector.finish()
            assert len(collector.covered("bybit")) == 1

    run(scenario())


def test_the_symbol_list_kept_in_redis_serves_while_the_venue_does_not_answer(redis_url: str) -> None:
    async def scenario() -> None:
        async with venue_of("bybit") as venue:
            async with collecting(redis_url, venue) as collector:
                await until(lambda: collector.health("bybit").get("instruments") == "venue", "from the venue")
            venue.rest.clear()
            async with collecting(redis_url, venue) as collector:
                await until(lambda: collector.health("bybit").get("instruments") == "cache", "from the cache")
                await venue.send(FRAMES["bybit"](1))
                await until(lambda: collector.times("bybit"), "events land")

    run(scenario())


def test_only_the_configured_symbols_land_from_a_wildcard_topic(redis_url: str) -> None:
    async def scenario() -> None:
        async with venue_of("okx") as venue, collecting(redis_url, venue, symbols=["ETHUSDT"]) as collector:
            await venue.send(frames.okx(1), frames.okx(2, "ETH-USDT-SWAP"), frames.okx(3))
            await until(lambda: collector.entries("okx"), "the event landed")
            assert [entry.liquidation.symbol for entry in collector.entries("okx")] == ["ETHUSDT"]

    run(scenario())


def test_an_okx_contract_listed_since_lands_once_its_size_is_read(redis_url: str) -> None:
    async def scenario() -> None:
        async with venue_of("okx") as venue, collecting(redis_url, venue) as collector:
            await until(lambda: "instruments" in collector.health("okx").get("error", ""), "the list fails")
            await venue.send(frames.okx(1, "BRANDNEW-USDT-SWAP"))
            await until(lambda: len(collector.rejections()) == 1, "rejected while its size is unknown")
            contract = {
                "instId": "BRANDNEW-USDT-SWAP", "instType": "SWAP", "ctVal": "10", "ctMult": "1", "ctType": "linear",
                "ctValCcy": "BRANDNEW", "settleCcy": "USDT", "state": "live", "instFamily": "BRANDNEW-USDT",
                "uly": "BRANDNEW-USDT",
            }  # fmt: skip
            for path in set(venue.rest_requests):
                venue.rest[path] = {"code": "0", "msg": "", "data": [contract]}
            await until(lambda: collector.entries("okx"), "landed after the list was read")
            (entry,) = collector.entries("okx")
            assert (entry.liquidation.symbol, entry.liquidation.quantity) == ("BRANDNEWUSDT", "85.5")

    run(scenario())

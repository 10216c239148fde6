"""Inverse feeds are collected like linear ones, each market by its own feed."""

from __future__ import annotations

from liq_pipeline_tests.collector.harness import collecting, run, until
from liq_pipeline_tests.exchanges import wire
from liq_pipeline_tests.fakes import frames
from liq_pipeline_tests.fakes.venue import FakeVenue

COIN_M = frames.binance(1, "BTCUSD_PERP")
BYBIT = frames.bybit(1, "BTCUSD")
BYBIT_LIST = "/v5/market/instruments-info?category=inverse&limit=1000"
OKX = wire.okx(wire.okx_listed("BTC-USD-SWAP", wire.okx_detail(sz="5", bkPx="80000"))).decode()


def test_inverse_events_land_in_dollars_beside_the_linear_ones(redis_url: str) -> None:
    async def scenario() -> None:
        async with (
            FakeVenue("binance:inverse") as coin_m,
            FakeVenue("bybit:inverse") as bybit,
            FakeVenue("okx") as linear,
            FakeVenue("okx:inverse") as inverse,
        ):
            bybit.rest[BYBIT_LIST] = {
                "retCode": 0,
                "result": {"category": "inverse", "list": [{"symbol": "BTCUSD"}], "nextPageCursor": ""},
            }
            async with collecting(redis_url, coin_m, bybit, linear, inverse) as collector:
                # The COIN-M host pushes USD-M orders too: its feed leaves them to the other.
                await coin_m.send(frames.binance(2), COIN_M)
                await bybit.send(BYBIT)
                for venue in (linear, inverse):
                    await venue.send(OKX, frames.okx(1))
                await until(lambda: len(collector.entries("okx")) == 2, "both markets of OKX landed")
                await until(lambda: collector.entries("binance") and collector.entries("bybit"), "the others landed")
                await until(lambda: len(collector.rejections()) == 1, "the other market's order was refused")
                assert collector.health("okx:inverse")["events"] and collector.state("okx:inverse") == "live"
                await collector.finish()
                found = {
                    (event.exchange, event.market.value, event.symbol, event.value_usd, event.quantity)
                    for exchange in ("binance", "bybit", "okx")
                    for event in (entry.liquidation for entry in collector.entries(exchange))
                }
                assert found == {
                    ("binance", "inverse", "BTCUSD", "19", "0.000229879773"),
                    ("bybit", "inverse", "BTCUSD", "0.006", "0.000000072818"),
                    ("okx", "inverse", "BTCUSD", "500", "0.00625"),
                    ("okx", "linear", "BTCUSDT", "7067.06235", "0.0855"),
                }
                assert collector.covered("okx") and collector.covered("okx:inverse")

    run(scenario())

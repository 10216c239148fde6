"""Identities are stored for ever: these may never change."""

from __future__ import annotations

import pytest

from liq_pipeline.exchanges import binance, bybit, okx
from liq_pipeline.liquidation import event_id
from liq_pipeline_tests.exchanges import wire


def test_identities_are_the_venues_unconverted_fields() -> None:
    assert wire.one("binance", wire.binance(s="1000PEPEUSDT")).event_id == event_id(
        "binance", "1000PEPEUSDT", "1791565602120", "SELL", "82338.3", "0.19"
    )
    assert wire.one("bybit", wire.bybit(wire.bybit_row(s="SHIB1000USDT"))).event_id == event_id(
        "bybit", "SHIB1000USDT", "1791565600992", "Buy", "82396.9", "0.006"
    )
    listed = wire.okx_listed("BTC-USDT-SWAP", wire.okx_detail())
    assert wire.one("okx", wire.okx(listed)).event_id == event_id(
        "okx", "BTC-USDT-SWAP", "1791565600771", "long", "sell", "82655.7", "8.55"
    )


@pytest.mark.parametrize(
    ("feed", "frame", "identity"),
    [
        ("binance", wire.binance(), "c8c2b261-65f2-5cc8-040a-4407d03e8d1f"),
        ("bybit", wire.bybit(wire.BYBIT_ROW), "94ec221d-b466-3d2f-11ad-03e29a345068"),
        ("okx", wire.okx(wire.okx_listed("BTC-USDT-SWAP", wire.OKX_DETAIL)), "27b2e44b-9f6c-ed4a-e880-54f43d200332"),
    ],
)
def test_identities_are_the_ones_already_stored(feed: str, frame: bytes, identity: str) -> None:
    assert wire.one(feed, frame).event_id == identity


def test_notation_does_not_change_an_identity() -> None:
    assert (
        binance.from_force_order_row("BTCUSDT", "BUY", "1.50", "2", "1e1", 1791565602120).event_id
        == binance.from_force_order_row("BTCUSDT", "BUY", "1.5", None, "10.000", "1791565602120").event_id
    )


def test_identical_rows_of_one_frame_differ_by_ordinal_alone() -> None:
    first, second = wire.parse("bybit", wire.bybit(wire.BYBIT_ROW, wire.BYBIT_ROW)).landed
    assert first.liquidation.event_id == wire.one("bybit", wire.bybit(wire.BYBIT_ROW)).event_id
    fields = (wire.BYBIT_ROW[name] for name in ("s", "S", "p", "v", "T"))
    assert second.liquidation == bybit.from_row(*fields, ordinal=1)


def test_venues_never_share_an_identity() -> None:
    assert len({venue.EXCHANGE for venue in (binance, bybit, okx)}) == 3
    assert event_id("binance", "x") != event_id("bybit", "x")

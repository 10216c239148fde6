"""Two independent statements of what a frame means, the simulator's ledger and the adapters, must agree."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest

from liq_pipeline.exchanges import adapter
from liq_pipeline.exchanges.base import FrameKind
from liq_pipeline.exchanges.instruments import StaticInstruments, snapshot
from liq_pipeline.simulate.ledger import Outcome, Row
from liq_pipeline.simulate.simulation import simulate
from liq_pipeline.simulate.venues.bybit import Bybit
from liq_pipeline.simulate.venues.okx import Okx

LATEST_MS = 4_000_000_000_000
COLUMNS = (
    "time", "exchange", "market", "contract", "symbol", "side", "price", "price_kind", "quantity", "value_usd",
    "limit_price",
)  # fmt: skip


def columns(event: Any) -> tuple[Any, ...]:
    return tuple(getattr(event, column) for column in COLUMNS)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("throttle", [False, True])
def test_adapters_read_every_simulated_line_as_the_ledger_says(seed: int, throttle: bool) -> None:
    row_of: dict[str, int] = {}
    ids: dict[int, str] = {}
    outcomes = defaultdict[str, int](int)
    for line in simulate(4_000, seed, throttle=throttle, defects=True):
        parsed = adapter(line.venue).parse(line.text.encode(), snapshot(line.venue))
        rows = [row for row in line.rows if row.outcome is not Outcome.SUPPRESSED]
        expected = [row for row in rows if row.outcome in (Outcome.LANDED, Outcome.DUPLICATE)]
        rejected = [row for row in rows if row.outcome is Outcome.REJECTED]
        landed = [landed.liquidation for landed in parsed.landed]
        assert [columns(event) for event in landed] == [columns(row) for row in expected], line
        assert len(parsed.rejections) == len(rejected), line
        if not expected and not rejected:
            assert parsed.kind in (FrameKind.ACK, FrameKind.PONG, FrameKind.CONTROL), line
        for event, row in zip(landed, expected, strict=True):
            check_identity(event.event_id, row, row_of, ids)
        for row in rows:
            outcomes[row.outcome] += 1
    assert min(outcomes[outcome] for outcome in ("landed", "duplicate", "rejected", "ignored")) > 0


def check_identity(event_id: str, row: Row, row_of: dict[str, int], ids: dict[int, str]) -> None:
    if row.outcome is Outcome.DUPLICATE:
        assert row.duplicate_of is not None
        assert event_id == ids[row.duplicate_of]
    else:
        assert event_id not in row_of
        row_of[event_id], ids[row.row] = row.row, event_id


def test_adapters_read_the_instrument_lists_the_venues_serve() -> None:
    okx_adapter, bybit_adapter = adapter("okx"), adapter("bybit")
    assert okx_adapter.instruments_endpoint is not None
    reply = Okx().rest(okx_adapter.instruments_endpoint.path, okx_adapter.instruments_endpoint.params)
    assert reply is not None
    served = StaticInstruments(okx_adapter.parse_instruments(reply.body.encode()).contracts)
    for name in ("BTC-USDT-SWAP", "PEPE-USDT-SWAP", "BTC-USDC-SWAP"):
        here, there = served.get(name, LATEST_MS), snapshot("okx").get(name, LATEST_MS)
        assert here is not None and there is not None
        assert (here.market, here.size) == (there.market, there.size)

    endpoint = bybit_adapter.instruments_endpoint
    assert endpoint is not None
    names: list[str] = []
    params: dict[str, str] | None = dict(endpoint.params)
    while params is not None:
        page = Bybit(page_size=3).rest(endpoint.path, params)
        assert page is not None
        listing = bybit_adapter.parse_instruments(page.body.encode())
        names += [contract.name for contract in listing.contracts]
        params = listing.next_params
    assert {"BTCUSDT", "SHIB1000USDT", "BTCPERP"} <= set(names)
    assert len(names) == len(set(names))

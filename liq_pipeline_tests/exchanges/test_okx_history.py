from __future__ import annotations

import json
from typing import Any

import pytest

from liq_pipeline import exchanges
from liq_pipeline.errors import InvalidLiquidationError
from liq_pipeline.exchanges import instruments, okx_history
from liq_pipeline.exchanges.base import BusyError, HistoryPage
from liq_pipeline_tests.exchanges import wire

TS = int(wire.OKX_DETAIL["ts"])


def answer(*listed: Any, **changed: Any) -> bytes:
    return wire.encode({"code": "0", "msg": "", "data": list(listed), **changed})


def read(body: bytes, feed: str = "okx") -> HistoryPage:
    history = exchanges.history(feed)
    assert history is not None
    return history.read(body, instruments.snapshot("okx"))


def test_a_row_is_the_liquidation_that_the_socket_would_have_sent_with_the_same_id_and_raw_frame() -> None:
    listed = wire.okx_listed("BTC-USDT-SWAP", wire.okx_detail())
    page = read(answer(listed))
    (landed,) = page.parsed.landed
    assert landed.liquidation == wire.one("okx", wire.okx(listed))
    assert (page.rows, page.oldest) == (1, TS)
    assert json.loads(landed.raw) == json.loads(wire.okx(listed))


def test_each_of_several_rows_is_kept_as_a_frame_that_reads_as_that_row_alone() -> None:
    details = [wire.okx_detail(ts=str(TS - age), sz=str(1 + age)) for age in range(3)]
    page = read(answer(wire.okx_listed("BTC-USDT-SWAP", *details)))
    assert [wire.one("okx", landed.raw) for landed in page.parsed.landed] == [
        landed.liquidation for landed in page.parsed.landed
    ]
    assert (page.rows, page.oldest) == (3, TS - 2)


def test_fields_that_only_the_history_has_do_not_change_who_a_row_is() -> None:
    listed = wire.okx_listed("BTC-USDT-SWAP", wire.okx_detail(time=TS + 5))
    (landed,) = read(answer(listed)).parsed.landed
    plain = wire.one("okx", wire.okx(wire.okx_listed("BTC-USDT-SWAP", wire.okx_detail())))
    assert landed.liquidation.event_id == plain.event_id


def test_identical_rows_count_once_as_an_answer_is_no_frame() -> None:
    page = read(answer(wire.okx_listed("BTC-USDT-SWAP", wire.okx_detail(), wire.okx_detail())))
    assert [landed.liquidation.ordinal for landed in page.parsed.landed] == [0]
    assert page.rows == 2


def test_placeholders_and_instruments_without_rows_are_nothing() -> None:
    listed = wire.okx_listed("BTC-USDT-SWAP", wire.okx_detail())
    page = read(answer(listed, {"$ref": "$.data[0]"}, wire.okx_listed("BTC-USDT-SWAP")))
    assert (len(page.parsed.landed), list(page.parsed.rejections), page.rows) == (1, [], 1)
    empty = read(answer())
    assert (empty.parsed.landed, empty.parsed.rejections, empty.rows, empty.oldest) == ((), (), 0, None)


def test_rows_that_cannot_be_read_are_rejected_and_the_others_land() -> None:
    rows = wire.okx_detail(), wire.okx_detail(side="hold"), wire.okx_detail(ts="soon")
    page = read(answer(wire.okx_listed("BTC-USDT-SWAP", *rows)))
    assert len(page.parsed.landed) == 1
    assert len(page.parsed.rejections) == 2
    assert (page.rows, page.oldest) == (3, TS)


@pytest.mark.parametrize("code", ["50011", "50013"])
def test_a_rate_limit_within_a_successful_answer_asks_for_patience(code: str) -> None:
    with pytest.raises(BusyError, match=code):
        read(answer(code=code, msg="Too Many Requests"))


@pytest.mark.parametrize("body", [b"<html>", b"[]", answer(code="51000", msg="Parameter error"), answer(data=None)])
def test_anything_else_is_refused_with_what_the_venue_said(body: bytes) -> None:
    with pytest.raises(InvalidLiquidationError) as error:
        read(body)
    assert not isinstance(error.value, BusyError)


def test_contracts_are_asked_for_by_family() -> None:
    contracts = ["ETH-USDT-SWAP", "BTC-USDT-SWAP", "BTC-USDT-251226", "BTC-USDT-SWAP"]
    assert okx_history.LINEAR.groups(contracts) == ["BTC-USDT", "ETH-USDT"]
    path, query = okx_history.LINEAR.request("BTC-USDT", TS)
    assert path == "/api/v5/public/liquidation-orders"
    assert query == {
        "instType": "SWAP", "instFamily": "BTC-USDT", "state": "filled", "after": str(TS), "limit": "100",
    }  # fmt: skip


def test_venues_without_a_history_have_none() -> None:
    assert [feed for feed in exchanges.FEEDS if exchanges.history(feed)] == ["okx", "okx:inverse"]

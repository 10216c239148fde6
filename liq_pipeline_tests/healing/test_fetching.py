from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liq_pipeline.exchanges import instruments, okx_history
from liq_pipeline.exchanges.base import History
from liq_pipeline.healing.asking import Patience, Venue
from liq_pipeline.healing.fetching import Fetched, fetch
from liq_pipeline.simulate.venues.okx import Okx
from liq_pipeline.simulate.venues.protocol import Reply
from liq_pipeline_tests.exchanges import wire
from liq_pipeline_tests.healing.okx import NOW, frame, serving

HISTORY: History = dataclasses.replace(okx_history.LINEAR, requests_per_second=1e6)
START = NOW - 600_000
OLD = START - 1


def fetched(
    url: str, *, groups: Sequence[str] = ("BTC-USDT", "ETH-USDT"), start: int = START, tries: int = 3
) -> Fetched:
    async def run() -> Fetched:
        venue = Venue(url, HISTORY.requests_per_second, Patience(tries=tries, first=0.01))
        try:
            sizes = instruments.snapshot("okx")
            return await fetch(venue, HISTORY, groups, start, NOW, NOW, sizes, lambda liquidation: True)
        finally:
            await venue.close()

    return asyncio.run(asyncio.wait_for(run(), 60))


def times(found: Fetched) -> list[int]:
    return sorted(item.liquidation.time for item in found.rows.values())


def test_a_group_is_read_page_by_page_to_the_start_and_no_further() -> None:
    # Twelve of one millisecond lie across the border of two pages.
    at = [START + n * 1000 for n in range(60)] + [START + 30_500] * 12 + [START + 70_000 + n * 1000 for n in range(190)]
    with serving() as venue:
        venue.published([frame(time, sz=str(1 + n)) for n, time in enumerate(at)])
        venue.published([frame(START - 1000 * n) for n in range(1, 500)])
        found = fetched(venue.rest_url, groups=["BTC-USDT"])
        assert len(venue.families) == 3
    assert times(found) == sorted(at)
    assert found.covered_from == START


def test_a_page_full_of_one_millisecond_is_stepped_over() -> None:
    with serving() as venue:
        venue.published([frame(OLD), *(frame(START + 5, sz=str(1 + n)) for n in range(150)), frame(NOW - 1)])
        found = fetched(venue.rest_url, groups=["BTC-USDT"])
    # More of one millisecond than a page holds cannot be had; nothing behind it is lost.
    assert (times(found)[0], times(found)[-1]) == (START + 5, NOW - 1)
    assert found.covered_from == START


def test_a_history_that_cannot_be_paged_is_a_failure_and_no_endless_loop() -> None:
    rows = [wire.okx_detail(ts=str(NOW - n)) for n in range(1, 120)]
    same = Reply(200, wire.encode({"code": "0", "data": [wire.okx_listed("BTC-USDT-SWAP", *rows)]}).decode())
    with serving() as venue:
        venue.okx.faults.extend([same] * 10)
        found = fetched(venue.rest_url, groups=["BTC-USDT"])
        assert len(venue.okx.asked) <= 3
    assert "goes no further back" in found.failed["BTC-USDT"]
    assert found.covered_from is None
    assert len(found.rows) == 119


@pytest.mark.parametrize(
    "busy",
    [
        Reply(429, ""),
        Reply(503, "<html>"),
        Reply(200, '{"code":"50011","msg":"Too Many Requests","data":[]}'),
        Reply(429, '{"code":"50011","msg":"Too Many Requests","data":[]}'),
    ],
)
def test_a_busy_venue_is_asked_again(busy: Reply) -> None:
    with serving() as venue:
        venue.published([frame(OLD), frame(START)])
        venue.okx.faults.extend([busy, busy])
        found = fetched(venue.rest_url)
    assert times(found) == [START]
    assert found.covered_from == START


def test_a_group_that_stays_away_is_named_the_others_land_and_nothing_counts_as_covered() -> None:
    with serving() as venue:
        venue.published([frame(OLD, "ETH-USDT-SWAP"), frame(START, "ETH-USDT-SWAP")])
        venue.okx.faults.append(Reply(400, '{"code":"51000","msg":"Parameter instFamily error","data":[]}'))
        found = fetched(venue.rest_url)
    assert list(found.failed) == ["BTC-USDT"]
    assert "Parameter instFamily error" in found.failed["BTC-USDT"]
    assert times(found) == [START]
    assert found.covered_from is None


def test_patience_ends() -> None:
    with serving() as venue:
        venue.okx.faults.extend([Reply(429, "")] * 10)
        found = fetched(venue.rest_url, groups=["BTC-USDT"], tries=2)
        assert len(venue.okx.asked) == 2
    assert "HTTP 429, 2 times" in found.failed["BTC-USDT"]


def test_a_venue_that_is_not_there_fails_every_group() -> None:
    found = fetched("http://127.0.0.1:9", tries=1)
    assert sorted(found.failed) == ["BTC-USDT", "ETH-USDT"]


def test_what_the_answers_do_not_reach_is_not_covered() -> None:
    with serving() as venue:
        assert fetched(venue.rest_url).covered_from is None
        venue.published([frame(START + 5000)])
        assert fetched(venue.rest_url).covered_from == START + 5000
        venue.published([frame(OLD, "ETH-USDT-SWAP")])
        # One old row shows that the history goes back so far, and BTC was quiet.
        assert fetched(venue.rest_url).covered_from == START


def test_a_group_that_ends_after_full_pages_may_have_been_cut_off_there() -> None:
    with serving() as venue:
        venue.published([frame(OLD, "ETH-USDT-SWAP"), *(frame(START + 5000 + n) for n in range(130))])
        assert fetched(venue.rest_url).covered_from == START + 5000


def test_requests_keep_the_venues_pace() -> None:
    async def run() -> float:
        venue = Venue("http://127.0.0.1:9", 50.0, Patience(tries=1))
        began = asyncio.get_running_loop().time()
        await asyncio.gather(*(venue._turn() for _ in range(11)))
        await venue.close()
        return asyncio.get_running_loop().time() - began

    assert asyncio.run(run()) >= 0.199


def test_the_history_of_the_simulated_exchange_is_its_frames() -> None:
    with serving() as venue:
        venue.publish([frame(START, "BTC-USDT-SWAP"), frame(OLD, "BTC-USD-SWAP")])
        found = fetched(venue.rest_url, groups=["BTC-USDT", "BTC-USD"])
    assert [item.liquidation.contract for item in found.rows.values()] == ["BTC-USDT-SWAP"]


class Forgetful:
    """A venue without sockets whose history ends at an age, and for each group at a number of rows."""

    def __init__(self, told: dict[str, list[int]], oldest: int, rows: int) -> None:
        self._okx = Okx()
        for group, times in told.items():
            for number, time in enumerate(sorted(times)[-rows:]):
                if time >= oldest:
                    self._okx.remember(frame(time, f"{group}-SWAP", sz=str(1 + number)))

    async def ask(self, path: str, query: dict[str, str], read: Callable[[bytes], Any]) -> Any:
        reply = self._okx.rest(path, query)
        assert reply is not None
        return read(reply.body.encode())


@given(
    told=st.fixed_dictionaries(
        {
            "BTC-USDT": st.lists(st.integers(-9_000, 9_999), max_size=25, unique=True),
            "ETH-USDT": st.lists(st.integers(-9_000, 9_999), max_size=8, unique=True),
        }
    ),
    start=st.integers(-8_000, 9_000),
    length=st.integers(1, 2_000),
    oldest=st.integers(-9_000, 9_999),
    rows=st.integers(5, 30),
)
def test_whatever_a_history_has_forgotten_nothing_counts_as_covered_that_is_not_there(
    told: dict[str, list[int]], start: int, length: int, oldest: int, rows: int
) -> None:
    zero = NOW - 10_000
    history: History = dataclasses.replace(okx_history.LINEAR, page_rows=5)
    true = {group: [zero + time for time in times] for group, times in told.items()}
    venue = cast("Venue", Forgetful(true, zero + oldest, rows))
    span = zero + start, min(zero + start + length, NOW)
    found = asyncio.run(
        fetch(venue, history, list(told), *span, NOW, instruments.snapshot("okx"), lambda liquidation: True)
    )
    assert not found.failed
    happened = sorted(time for times in true.values() for time in times if span[0] <= time < span[1])
    assert set(times(found)) <= set(happened)
    if found.covered_from is not None:
        assert [time for time in times(found) if time >= found.covered_from] == [
            time for time in happened if time >= found.covered_from
        ]
    if rows == 30 and oldest == -9_000:
        # Nothing was forgotten.
        assert times(found) == happened

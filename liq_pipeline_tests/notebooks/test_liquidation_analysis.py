"""The analysis notebook, run on the days an analyst meets: each figure against the events in the tables."""

from __future__ import annotations

import asyncio
import html
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from urllib.parse import urlsplit, urlunsplit

import nbformat
import pytest
import redis

from liq_pipeline.queries import Span
from liq_pipeline_tests.collector.harness import until
from liq_pipeline_tests.conftest import fresh_database
from liq_pipeline_tests.live.harness import running
from liq_pipeline_tests.notebooks import replayed
from liq_pipeline_tests.notebooks.executing import Executed, execute, read
from liq_pipeline_tests.warehouse.making import query

NAME = "liquidation_analysis"
NOW = {"price-levels-now", "last-hour-minutes"}
OF_EVENTS = {
    *("hourly-volume", "long-against-short", "cumulative-volume", "day-by-hour", "exchange-totals", "market-share"),
    "price-levels",
}
OF_LARGE_ONES = {"significant-figure"}
OF_CASCADES = {"cascade-timeline"}
COMPARISONS = ("hourly-volume", "cumulative-volume", "exchange-totals", "market-share")

Row = dict[str, Any]


class Servers(NamedTuple):
    database_url: str
    redis_url: str

    @property
    def settings(self) -> dict[str, str]:
        return {
            "LIQ_HOME": "/nonexistent/liq",
            "LIQ_DATABASE_URL": self.database_url,
            "LIQ_REDIS_URL": self.redis_url,
            "LIQ_RETENTION_DAYS": "0",
        }

    def events(self, span: Span) -> list[Row]:
        names = ("time", "exchange", "symbol", "side", "value_usd", "price_level", "is_significant")
        rows = query(self.database_url, f"SELECT {', '.join(names)} FROM liquidations ORDER BY time, event_id")
        return [
            row for values in rows if span.start <= (row := dict(zip(names, values, strict=True)))["time"] < span.end
        ]


@pytest.fixture(scope="module")
def servers(postgres_server: str, redis_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """What a replay left, for all tests here; in a database of Redis that no other test flushes."""
    redis_url = urlunsplit(urlsplit(redis_server)._replace(path="/2"))
    with redis.Redis.from_url(redis_url) as client, fresh_database(postgres_server) as database_url:
        client.flushdb()
        replayed.prepare(database_url, redis_url, tmp_path_factory.mktemp("simulated"))
        yield Servers(database_url, redis_url)
        client.flushdb()


def run(servers: Servers, **variables: str) -> Executed:
    return asyncio.run(execute(NAME, servers.settings, **variables))


def test_every_figure_of_a_day_and_of_the_last_hour_holds_what_happened(servers: Servers) -> None:
    async def beside_the_live_view() -> Executed:
        async with running(servers.redis_url) as view:
            await until(lambda: view.report is not None and view.report.state == "live", "the past has been read")
            return await execute(NAME, servers.settings, LIQ_NOTEBOOK_DAY=str(replayed.BUSY))

    executed = asyncio.run(beside_the_live_view())
    assert executed.figures == NOW | OF_EVENTS | OF_LARGE_ONES | OF_CASCADES
    day = Span.day(replayed.BUSY)
    assert_figures_follow(executed, servers, day)

    newest = max(event["time"] for event in servers.events(day))
    hour = [event for event in servers.events(day) if event["time"] > newest - timedelta(hours=1)]
    busiest = top_symbol(hour)
    assert levels(executed, "price-levels-now") == top_levels(hour, busiest)
    assert sums(executed, "last-hour-minutes") == {
        side: sum(event["side"] == side for event in hour) for side in ("LONG", "SHORT")
    }
    assert f"{len(hour)} liquidations" in executed.said("live-view") and "**live**" in executed.said("live-view")
    (status,) = executed.outputs("cascade-status")
    (active,) = query(
        servers.database_url,
        "SELECT cascade_id::text, symbol, event_count FROM liquidation_cascades"
        f" WHERE cascade_end > '{newest - timedelta(minutes=1)}'",
    )
    assert all(str(part) in status["text/markdown"] for part in active)


@pytest.mark.skipif(not replayed.recordings, reason="the real recordings are not there")
def test_a_day_of_real_recordings_is_shown_with_what_it_has(servers: Servers) -> None:
    executed = run(servers, LIQ_NOTEBOOK_DAY=str(replayed.RECORDED), LIQ_NOTEBOOK_SYMBOL="BTCUSDT")
    assert executed.figures >= OF_EVENTS | OF_LARGE_ONES | OF_CASCADES
    assert_figures_follow(executed, servers, Span.day(replayed.RECORDED), only="BTCUSDT")
    assert "binance: throttled, not collected" in executed.said("comparison")


def test_without_a_day_the_newest_that_has_data_is_shown_be_it_of_one_event_and_without_redis(
    servers: Servers,
) -> None:
    executed = run(servers._replace(redis_url="redis://127.0.0.1:1/1"))
    assert f"is {replayed.ONE_EVENT}. **Shown is that day.**" in executed.said("choose")
    assert html.escape(replayed.STRANGE) in executed.said("choose")
    assert executed.figures == OF_EVENTS | OF_LARGE_ONES
    assert_figures_follow(executed, servers, Span.day(replayed.ONE_EVENT))
    for cell in ("cascades", "cascade-summary", "cascade-timeline"):
        assert executed.said(cell).startswith("**No cascades** in ")
    for cell in ("connect", *NOW, "cascade-status"):
        assert "127.0.0.1 port 1" in executed.said(cell) and "LIQ_REDIS_URL" in executed.said(cell)


def test_where_there_is_nothing_every_section_says_why(database_url: str, redis_url: str) -> None:
    executed = run(Servers(database_url, redis_url))
    assert executed.figures == set()
    for cell in (*OF_EVENTS, *OF_LARGE_ONES, *OF_CASCADES, "coverage", "significant", "comparison", "cascades"):
        assert re.fullmatch(r"\*\*No [^*]+\*\* in .* UTC: \S.+", executed.said(cell), re.DOTALL), cell
        assert "liq migrate" in executed.said(cell) or "liq up" in executed.said(cell)
    for cell in (*NOW, "cascade-status"):
        assert re.fullmatch(r"\*\*No [^*]+\*\* in the hour to .*\. No live view runs, .+", executed.said(cell))


def test_it_is_committed_as_it_was_written_without_outputs() -> None:
    notebook = read(NAME)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.id for cell in code if cell.outputs or cell.execution_count] == []
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", cell.id) for cell in notebook.cells)
    assert [cell.id for cell in code if "parameters" in cell.metadata.get("tags", [])] == ["parameters"]
    imported = set(re.findall(r"^(?:import|from) (\w+)", "\n".join(cell.source for cell in code), re.MULTILINE))
    assert imported - sys.stdlib_module_names == {"IPython", "dotenv", "liq_pipeline", "plotly", "polars"}


def assert_figures_follow(executed: Executed, servers: Servers, day: Span, only: str | None = None) -> None:
    """Every figure of a day shows what the events in ``liquidations`` give, of one symbol or of all."""
    everything = servers.events(Span(day.end - timedelta(days=14), day.end))
    fortnight = [event for event in everything if only in (None, event["symbol"])]
    events = [event for event in fortnight if event["time"] >= day.start]
    of_exchange, of_side = usd_by(events, "exchange"), usd_by(events, "side")

    assert sums(executed, "hourly-volume") == pytest.approx(of_exchange)
    assert sums(executed, "cumulative-volume", lambda trace: trace["y"][-1]) == pytest.approx(of_exchange)
    assert sums(executed, "exchange-totals") == pytest.approx(of_exchange)
    assert sums(executed, "market-share", lambda trace: sum(trace["customdata"])) == pytest.approx(of_exchange)
    assert sums(executed, "long-against-short") == pytest.approx(of_side)
    assert_shares_are_whole(executed)
    rows = shown(executed, "day-by-hour")["data"][0]["customdata"]
    assert sum(value for row in rows for value in row if value) == pytest.approx(float(total(fortnight)))
    assert levels(executed, "price-levels") == top_levels(events, only or top_symbol(events))

    large = usd_by([event for event in events if event["is_significant"]], "side")
    found = sums(executed, "significant-figure") if large else {}
    assert {side: value for side, value in found.items() if value} == pytest.approx(large)
    assert_cascades_follow(executed, servers, day, only)
    for cell in executed.figures:
        layout = shown(executed, cell)["layout"]
        said = (layout["title"]["text"], layout["title"]["subtitle"]["text"], layout["xaxis"]["title"]["text"])
        assert "UTC" in " ".join(said), cell
    for cell in COMPARISONS:
        layout, traces = shown(executed, cell)["layout"], shown(executed, cell)["data"]
        assert "not comparable" in layout["title"]["subtitle"]["text"]
        labels = [trace["x"][0] if cell == "exchange-totals" else trace["name"] for trace in traces]
        assert all(re.fullmatch(r"\w+: (complete|throttled), ([\d.]+ % seen|not collected)", label) for label in labels)


def assert_cascades_follow(executed: Executed, servers: Servers, day: Span, only: str | None) -> None:
    rows = query(
        servers.database_url,
        "SELECT symbol, event_count, total_value_usd FROM liquidation_cascades"
        f" WHERE cascade_start >= '{day.start}' AND cascade_start < '{day.end}'"
        " ORDER BY cascade_start DESC, cascade_id",
    )
    cascades = [(symbol, count, float(usd)) for symbol, count, usd in rows if only in (None, symbol)]
    if not cascades:
        assert executed.figure("cascade-timeline") is None
        return
    (trace,) = shown(executed, "cascade-timeline")["data"]
    found = [(name, *values) for name, (*values, _) in zip(trace["y"], _without_seconds(trace), strict=True)]
    assert found == cascades


def _without_seconds(trace: Row) -> Iterator[tuple[int, float, None]]:
    yield from ((count, usd, None) for count, _, usd in trace["customdata"])


def assert_shares_are_whole(executed: Executed) -> None:
    shares = defaultdict[str, float](float)
    for trace in shown(executed, "market-share")["data"]:
        for period, share in zip(trace["x"], trace["y"], strict=True):
            shares[str(period)] += share
    assert list(shares.values()) == pytest.approx([1] * len(shares))


def shown(executed: Executed, cell: str) -> Row:
    figure = executed.figure(cell)
    assert figure is not None, f"{cell} shows no figure: {executed.said(cell)}"
    return figure


def sums(executed: Executed, cell: str, value: Callable[[Row], float] | None = None) -> dict[str, float]:
    """What the traces of a figure come to, by the side or exchange they are of."""
    value = value or (lambda trace: sum(trace["y"]))
    return {re.split(r"\W", trace["name"])[0]: value(trace) for trace in shown(executed, cell)["data"]}


def levels(executed: Executed, cell: str) -> dict[tuple[str, str], Any]:
    """Count and USD of the bars, by level and side."""
    return {
        (level, trace["name"]): (count, pytest.approx(usd))
        for trace in shown(executed, cell)["data"]
        for level, count, usd in zip(trace["x"], trace["y"], trace["customdata"], strict=True)
    }


def top_levels(events: list[Row], symbol: str) -> dict[tuple[str, str], tuple[int, float]]:
    """The 20 levels and sides of a symbol with most events, by their own definition."""
    groups = defaultdict[tuple[Decimal, str], list[Row]](list)
    for event in events:
        if event["symbol"] == symbol:
            groups[event["price_level"], event["side"]].append(event)
    most = sorted(groups, key=lambda key: (-len(groups[key]), -total(groups[key]), key))[:20]
    return {(f"{key[0].normalize():,f}", key[1]): (len(groups[key]), float(total(groups[key]))) for key in most}


def top_symbol(events: list[Row]) -> str:
    by_symbol = usd_by(events, "symbol")
    return min(by_symbol, key=lambda symbol: (-by_symbol[symbol], symbol))


def usd_by(events: list[Row], column: str) -> dict[str, float]:
    groups = defaultdict[str, list[Row]](list)
    for event in events:
        groups[event[column]].append(event)
    return {name: float(total(rows)) for name, rows in groups.items()}


def total(events: list[Row]) -> Decimal:
    return sum((event["value_usd"] for event in events), Decimal(0))

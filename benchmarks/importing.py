"""Files to liquidations_raw, beside a bare binary COPY of the same rows into the same table.

Run by hand: ``python -m benchmarks.importing [--events N] [--database-url U]``.
"""

from __future__ import annotations

import contextlib
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import click
import psutil

from benchmarks.databases import arguments, day_of_events, flavours, servers
from benchmarks.loading import bare_copy
from liq_pipeline.imports.formats import format_named
from liq_pipeline.imports.landing import import_sources
from liq_pipeline.imports.report import ImportReport
from liq_pipeline.imports.sources import find
from liq_pipeline.liquidation import Market, Side
from liq_pipeline.settings import Settings
from liq_pipeline.streams import Entry

TARGET: Final = 0.50
MEMORY_TARGET: Final = 2**30


def _frame(entry: Entry) -> bytes:
    return b'{"received_at":%d,"frame":%b}\n' % (entry.received_at, entry.raw)


def _force_order(entry: Entry) -> bytes:
    event = entry.liquidation
    side = "SELL" if event.side is Side.LONG else "BUY"
    size = event.quantity
    return (
        f"{event.symbol},{side},LIMIT,IOC,{size},{event.limit_price},{event.price},FILLED,{size},{size},{event.time}\n"
    ).encode()


def _vision(entry: Entry) -> bytes:
    event = entry.liquidation
    side = "SELL" if event.side is Side.LONG else "BUY"
    size = event.quantity
    return f"{event.time},{side},LIMIT,IOC,{size},{event.limit_price},{event.price},FILLED,{size},{size}\n".encode()


def _tardis(entry: Entry) -> bytes:
    event = entry.liquidation
    side = "sell" if event.side is Side.LONG else "buy"
    clocks = f"{event.time}000,{entry.received_at}123"
    return f"binance-futures,{event.symbol},{clocks},,{side},{event.limit_price},{event.quantity}\n".encode()


WRITERS: Final[dict[str, Callable[[Entry], bytes]]] = {
    "frames": _frame,
    "forceorder_csv": _force_order,
    "tardis": _tardis,
    "binance_vision": _vision,
}


@contextlib.contextmanager
def _peak_memory() -> Iterator[list[int]]:
    """The most bytes that this process and its children held at once, sampled; in the list at the end."""
    stop, peak = threading.Event(), [0]
    this = psutil.Process()

    def sample() -> None:
        while not stop.wait(0.2):
            total = 0
            for process in [this, *this.children(recursive=True)]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    if "postgres" not in process.name():
                        total += process.memory_info().rss
            peak[0] = max(peak[0], total)

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield peak
    finally:
        stop.set()
        thread.join()


def _import(path: Path, name: str, database_url: str) -> tuple[ImportReport, float]:
    format_ = format_named(name)
    (source,) = find(path, format_)
    began = time.perf_counter()
    (report,) = import_sources(
        [source],
        "binance",
        Market.LINEAR,
        format_,
        contract="COIN1USDT" if format_.contract_in else None,
        settings=Settings(retention_days=0),
        database_url=database_url,
        now=time.time_ns() // 1_000_000,
    )
    return report, time.perf_counter() - began


def _measure(path: Path, name: str, flavour: str, url: str, events: int) -> None:
    with _peak_memory() as peak:
        first, seconds = _import(path, name, url)
        again, seconds_again = _import(path, name, url)
    assert (first.new, again.new, again.duplicate) == (events, 0, events)
    limit, result, repeated = (events / each for each in (bare_copy(url), seconds, seconds_again))
    verdict = "met" if result >= TARGET * limit and repeated >= result and peak[0] <= MEMORY_TARGET else "MISSED"
    click.echo(
        f"{name:16}{flavour:24}{limit:>12,.0f}{result:>12,.0f}{result / limit:>7.0%}{repeated:>12,.0f}"
        f"{peak[0] / 2**20:>9,.0f}  {verdict}"
    )


def main() -> None:
    """Print the table."""
    options = arguments(__doc__, events=500_000)
    click.echo(f"{options.events:,} events; target: {TARGET:.0%} of COPY, again as fast, 1,024 MiB")
    click.echo(f"{'':40}{'COPY/s':>12}{'import/s':>12}{'ratio':>7}{'again/s':>12}{'MiB':>9}")
    with (
        servers(options.database_url, options.redis_url) as (database_url, _),
        tempfile.TemporaryDirectory(prefix="liq-benchmark-") as folder,
    ):
        for name, write in WRITERS.items():
            path = Path(folder, name)
            with path.open("wb") as file:
                file.writelines(map(write, day_of_events(options.events)))
            for flavour, url in flavours(database_url):
                _measure(path, name, flavour, url, options.events)


if __name__ == "__main__":
    main()

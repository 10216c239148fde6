"""Overload: for minutes, venues push ten times what the database can take.

Run by hand: ``python -m benchmarks.overload [--minutes 5] [--takes 100] [--factor 10]``. `liq up` runs as a user's,
with servers, venues and an alert channel of its own. The database takes ``--takes`` rows a second: a trigger of this
benchmark sleeps while each row of ``liquidations_raw`` lands, and sleeps no more once the venues fall silent. Then
everything has to drain, and the rows are compared with what was sent, id by id. What it looks at meanwhile: memory of
every part, the backlog in Redis, `liq status`, the check ``liq_events/backlog`` in Dagster, and the alerts received.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any, Final, cast

import click
import psutil
import psycopg
import redis

from liq_pipeline.embedded import process
from liq_pipeline.exchanges import adapter
from liq_pipeline.exchanges.instruments import snapshot
from liq_pipeline.simulate.venues import Venues, serve
from liq_pipeline.warehouse.landing_zone import stream_states, uncommitted_events
from liq_pipeline_tests.cli.running import environment
from liq_pipeline_tests.exchanges import wire
from liq_pipeline_tests.fakes.channels import Webhook, webhook
from liq_pipeline_tests.faults import parts
from liq_pipeline_tests.faults.line import until
from liq_pipeline_tests.faults.servers import PLAIN, Servers, Template, serving

ROWS: Final = 95
"""Liquidations in a frame of Bybit; Binance sends one, and so many frames for each of Bybit's."""
SINGLE: Final = 5
SYMBOLS: Final = 50
PRICE: Final = "0.0001"
"""So low that there is no cascade: the longest would be all there is of its symbol."""
LIMIT_SECONDS: Final = 45
"""LIQ_BACKLOG_ENTRIES is what comes in that time."""
SETTLE_SECONDS: Final = 60
PATIENCE_SECONDS: Final = 3_600.0
_THROTTLE: Final = """
CREATE TABLE throttle (seconds double precision NOT NULL);
INSERT INTO throttle VALUES (0);
GRANT SELECT ON throttle TO PUBLIC;
CREATE FUNCTION throttled() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN PERFORM pg_sleep(seconds) FROM throttle WHERE seconds > 0; RETURN NEW; END';
CREATE TRIGGER throttled BEFORE INSERT ON liquidations_raw FOR EACH ROW EXECUTE FUNCTION throttled()"""
_EVALUATED: Final = """
SELECT execution_status FROM asset_check_executions WHERE check_name = 'backlog' ORDER BY create_timestamp"""


@dataclass
class Sample:
    """What was seen at once: seconds since the start, entries waiting, rows landed, and memory in MB by part."""

    at: float
    sent: int
    waiting: int
    rows: int
    memory: dict[str, float]


@dataclass
class Line:
    """The line under load."""

    servers: Servers
    up: parts.Part
    hook: Webhook
    sent: set[str] = field(default_factory=set)
    unheard: int = 0
    samples: list[Sample] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    @property
    def database_url(self) -> str:
        return self.servers.postgres.url(PLAIN)

    def waiting(self) -> int:
        with redis.Redis.from_url(self.servers.redis.url()) as client:
            return uncommitted_events(stream_states(client))

    def rows(self) -> set[str]:
        with psycopg.connect(self.database_url) as connection:
            return {str(row[0]) for row in connection.execute("SELECT event_id FROM liquidations_raw")}

    def throttle(self, takes: float | None) -> None:
        with psycopg.connect(self.database_url) as connection:
            connection.execute("UPDATE throttle SET seconds = %s", (1 / takes if takes else 0,))

    def sample(self) -> Sample:
        with psycopg.connect(self.database_url) as connection:
            row = connection.execute("SELECT count(*) FROM liquidations_raw").fetchone()
        seconds = time.monotonic() - self.began
        return Sample(seconds, len(self.sent), self.waiting(), row[0] if row else 0, self._memory())

    def _memory(self) -> dict[str, float]:
        found = {name: parts.found(name, {"up": self.up}, self.servers.redis.url()) for name in ("collector", "live")}
        found["loader and runs"] = parts.found("loader", {"up": self.up}, self.servers.redis.url())
        for server in (self.servers.redis, self.servers.postgres):
            if server.server is not None:
                found[server.name] = [server.server, *server.server.children(recursive=True)]
        return {name: sum(map(_megabytes, processes)) for name, processes in found.items()}


def _megabytes(found: psutil.Process) -> float:
    with contextlib.suppress(psutil.Error):
        # PostgreSQL's processes share most of what they have.
        return float(found.memory_full_info().uss) / 2**20
    return 0.0


async def push(line: Line, venues: Venues, seconds: float, rate: float) -> None:
    """Send ``rate`` liquidations a second for so long; none twice."""
    number, began = 0, time.monotonic()
    per_round = ROWS + SINGLE
    for symbol in cycle(range(SYMBOLS)):
        due = began + number / rate
        if due > began + seconds:
            return
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        if time.monotonic() > began + seconds:
            return
        now = time.time_ns() // 1_000_000
        rows = [
            wire.bybit_row(s=f"C{symbol}USDT", T=now, v=f"{number + step + 1}", p=PRICE) for step in range(ROWS)
        ]  # fmt: skip
        await _send(line, venues, "bybit", wire.encode(_bybit(f"C{symbol}USDT", now, rows)))
        for step in range(SINGLE):
            frame = wire.binance(s=f"C{symbol}USDT", T=now, z=f"{number + step + 1}", p="0.05", ap=PRICE)
            await _send(line, venues, "binance", frame)
        number += per_round


def _bybit(symbol: str, now: int, rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {"topic": f"allLiquidation.{symbol}", "type": "snapshot", "ts": now, "data": rows}


async def _send(line: Line, venues: Venues, venue: str, frame: bytes) -> None:
    heard = await venues.servers[venue].publish(frame.decode())
    ids = {item.liquidation.event_id for item in adapter(venue).parse(frame, snapshot(venue)).landed}
    if heard:
        line.sent |= ids
    else:
        line.unheard += len(ids)


async def watch(line: Line) -> None:
    """Take a sample every few seconds, for ever."""
    while True:
        with contextlib.suppress(psycopg.Error, redis.RedisError):
            line.samples.append(await asyncio.to_thread(line.sample))
        await asyncio.sleep(5)


async def measure(line: Line, venues: Venues, minutes: float, takes: float, factor: float) -> dict[str, Any]:
    """Push, look, lift the throttle, wait until all is there; what was seen."""
    await until(lambda: all(venues.servers[name].open_connections for name in ("binance", "bybit")), "a collector")
    said(line, f"a collector listens; {takes * factor:,.0f} liquidations a second from now on")
    line.throttle(takes)
    watching = asyncio.create_task(watch(line))
    try:
        await push(line, venues, minutes * 60, takes * factor)
        pushed = time.monotonic()
        most = await asyncio.to_thread(line.waiting)
        said(line, f"{len(line.sent):,} sent, {most:,} wait for the database")
        status = await asyncio.to_thread(_status, line)
        line.throttle(None)
        await until(lambda: asyncio.to_thread(lambda: line.waiting() == 0), "the end of the backlog", PATIENCE_SECONDS)
        drained = time.monotonic() - pushed
        said(line, f"drained {drained:,.0f} s later")
        # Of what nobody was told, because it was over before the check looked, nobody is told the end.
        unsaid = time.monotonic() + SETTLE_SECONDS
        await until(
            lambda: _told(line.hook)["HEALED"] or (not _told(line.hook) and time.monotonic() > unsaid),
            "the word that it is over",
            PATIENCE_SECONDS,
        )
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    return {"backlog": most, "drained": drained, "status": status}


def _status(line: Line) -> dict[str, Any]:
    """What `liq status` says of the backlog, as text and as JSON."""
    told = {}
    for name, flags in (("text", ()), ("json", ("--json",))):
        command = (sys.executable, "-P", "-c", "from liq_pipeline.cli import main; main()", "status", *flags)
        done = subprocess.run(
            command, env=dict(line.up.environment), capture_output=True, text=True, cwd=line.up.log.parent
        )
        told[name] = done.stdout
    waiting = sum(row["uncommitted"] for row in json.loads(told["json"])["streams"])
    words = [text.strip() for text in told["text"].splitlines() if "entries wait in Redis" in text]
    return {"json": waiting, "text": words[0] if words else "nothing"}


def _told(hook: Webhook) -> Counter[str]:
    """How often an alert said that the check broke (WARN, ERROR) and that it HEALED."""
    return Counter(
        word for message in hook.received for word in re.findall(r"(\w+): liq_events/backlog:", message["message"])
    )


def said(line: Line, text: str) -> None:
    click.echo(f"{time.monotonic() - line.began:>6.0f} s  {text}", err=True)


async def run(folder: Path, servers: Servers, minutes: float, takes: float, factor: float) -> bool:
    """The whole run and its table; whether everything held."""
    limit = round(takes * factor * LIMIT_SECONDS)
    with webhook() as hook:
        async with serve() as venues:
            frames = [wire.encode(_bybit(f"C{number}USDT", 0, [])).decode() for number in range(SYMBOLS)]
            cast("Any", venues.servers["bybit"].protocol).list_symbols(frames)
            variables = environment(
                **{name: url for name, url in venues.urls.items() if "OKX" not in name},
                LIQ_EXCHANGES="binance,bybit", LIQ_HOME=str(folder / "home"),
                LIQ_DATABASE_URL=servers.postgres.url(PLAIN), LIQ_REDIS_URL=servers.redis.url(),
                LIQ_BACKLOG_ENTRIES=str(limit), LIQ_ALERT_URLS=hook.url, LIQ_ALERT_GROUP_SECONDS="5",
                LIQ_ALERT_SETTLE_SECONDS=str(SETTLE_SECONDS),
                # Dagster takes the first one from the path of its code server.
                PYTHONPATH=os.pathsep.join((str(folder), str(parts.ROOT))), PYTHONUNBUFFERED="1",
            )  # fmt: skip
            with psycopg.connect(servers.postgres.url(PLAIN)) as connection:
                connection.execute(_THROTTLE)
            up = parts.under_dagster(variables, folder)["up"]
            line = Line(servers, up, hook)
            up.start()
            try:
                seen = await measure(line, venues, minutes, takes, factor)
            finally:
                process.stop([up.server] if up.server else [], grace=60)
    return report(line, seen, servers, limit)


def report(line: Line, seen: dict[str, Any], servers: Servers, limit: int) -> bool:
    """Print what was seen beside what must be; whether it was."""
    rows = line.rows()
    with psycopg.connect(servers.postgres.url(f"{PLAIN}_dagster")) as connection:
        verdicts = Counter(row[0] for row in connection.execute(_EVALUATED.encode()))
    told = _told(line.hook)
    broke = told.total() - told["HEALED"]
    table = [
        ("sent", f"{len(line.sent):,}", "", True),
        ("lost", f"{len(line.sent - rows):,}", "0", not line.sent - rows),
        ("landed, never sent", f"{len(rows - line.sent):,}", "0", not rows - line.sent),
        ("longest backlog, entries", f"{max(item.waiting for item in line.samples):,}", "", True),
        (
            "`liq status --json` at its end",
            f"{seen['status']['json']:,}",
            f"> {limit:,}",
            seen["status"]["json"] > limit,
        ),
        ("`liq status`", seen["status"]["text"][:60], "a problem", seen["status"]["text"] != "nothing"),
        ("liq_events/backlog in Dagster", str(dict(verdicts)), "FAILED, SUCCEEDED", len(verdicts) == 2),
        ("alerts that it broke", str(broke), "1", broke == 1),
        ("alerts that it healed", str(told["HEALED"]), "1", told["HEALED"] == 1),
        ("drained after, s", f"{seen['drained']:,.0f}", "", True),
    ]
    for name in ("collector", "live", "loader and runs", "Redis", "PostgreSQL"):
        used = [item.memory.get(name, 0) for item in line.samples]
        middle = used[len(used) // 3 : 2 * len(used) // 3] or used
        table.append((f"memory of {name}, MB", f"{max(used):,.0f} (middle third {max(middle):,.0f})", "", True))
    for name, value, wanted, holds in table:
        click.echo(f"{name:<34} {value:<62} {wanted:<20} {'' if holds else 'WRONG'}")
    return all(holds for *_, holds in table)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--takes", type=float, default=100.0, help="rows a second the database takes")
    parser.add_argument("--factor", type=float, default=10.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="liq-overload-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        (folder / "line").mkdir(mode=0o711)
        with serving(Template(folder / "template"), folder / "line") as servers:
            held = asyncio.run(
                run(folder / "line", servers, arguments.minutes, arguments.takes, arguments.factor)
            )  # fmt: skip
    sys.exit(0 if held else 1)


if __name__ == "__main__":
    main()

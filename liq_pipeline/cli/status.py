"""``liq status``: the state of the line, and whether something is wrong."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

import click
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from liq_pipeline.embedded.servers import locate
from liq_pipeline.settings import load_settings


@click.command("status")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of tables.")
def command(as_json: bool) -> None:
    """Show servers, feeds, backlog, rejected frames, tables, stale days, failing checks and incidents.

    \b
    Exit codes:
      0  all is well
      1  something is wrong; the last lines say what, and what to do
      2  settings are wrong, or no servers are configured or running
    """
    settings = load_settings()
    servers = locate(settings)
    # Imported late: it brings Dagster along, which `liq status --help` does without.
    from liq_pipeline.cli.status_report import Status, gather

    status: Status = gather(settings, servers)
    if as_json:
        click.echo(json.dumps(asdict(status), indent=2))
    else:
        _show(asdict(status))
    if status.problems:
        sys.exit(1)


Rows = list[dict[str, Any]]
_LARGE: Final = (
    *("liquidations_raw", "liquidations", "liquidations_significant", "liquidation_cascades", "frames_rejected"),
    *("liquidations_hourly", "liquidation_price_levels", "liquidation_exchange_comparison"),
)

_FEED_COLUMNS: Final = {
    "feed": "feed",
    "collected": "collected",
    "state": "state",
    "last_frame_seconds_ago": "frame s",
    "last_event_seconds_ago": "event s",
    "covered_percent": "hour %",
    "events": "events",
    "rejected": "rejected",
}
"""The part of a feed that fits a terminal of 80 columns; --json has the rest.

``frame s`` and ``event s`` are seconds since the last one, ``hour %`` how much of the last hour was covered.
"""


def _as_it_is(rows: Rows) -> Rows:
    return rows


def _storage(rows: Rows) -> Rows:
    """The tables that hold what was collected, and the others in one line."""
    shown = [row for row in rows if row["table"] in _LARGE]
    others = [row for row in rows if row["table"] not in _LARGE]
    total = {"table": "all others", "bytes": sum(row["bytes"] for row in others), "chunks": None}
    return [
        {
            "table": row["table"],
            "size": decimal(row["bytes"]),
            "chunks": row["chunks"],
            "compressed": row.get("compressed_chunks"),
            "ratio": f"{ratio:.1f}" if (ratio := row.get("compression_ratio")) else None,
        }
        for row in (*shown, total)
    ]


def _policies(rows: Rows) -> Rows:
    """Without the messages, which are among what is wrong, and as narrow as the terminal."""
    return [
        {
            "table": row["table"],
            "does, after": row["does"].replace(" after ", ": "),
            "last run": f"{_short(row['last_run'])} {row['outcome'] or ''}".strip(),
            "next run": _short(row["next_run"]),
        }
        for row in rows
    ]


def _short(at: str | None) -> str:
    """Month, day, hour and minute of an ISO time in UTC."""
    return f"{datetime.fromisoformat(at):%m-%d %H:%M}" if at else "-"


def _live(rows: Rows) -> Rows:
    """As much as fits a terminal."""
    return [
        {
            "state": row["state"],
            "watermark": _short(row["watermark"]),
            "behind s": row["behind_seconds"],
            "lag ms": row["lag_ms"],
            "events/s": row["events_per_second"],
            "in memory": row["events_in_memory"],
            "cascades": row["active_cascades"],
        }
        for row in rows
    ]


def _seen(rows: Rows) -> Rows:
    short = {"longest_gap_seconds": "longest s", "healed_seconds": "healed s", "publishes": "publishes"}
    return [
        {"feed": row["feed"], "covered": row["coverage"], "gaps": row["gaps"]}
        | {title: row[name] for name, title in short.items()}
        for row in rows
    ]


_SHORT: Final[dict[str, Callable[[Rows], Rows]]] = {
    "coverage": _seen,
    "live": _live,
    "storage": _storage,
    "policies": _policies,
}


def _show(status: dict[str, Any]) -> None:
    console = Console(soft_wrap=False)
    console.print(_table("Servers", [{"what": name, "version": text} for name, text in status["servers"].items()]))
    feeds = [{title: feed[name] for name, title in _FEED_COLUMNS.items()} for feed in status["feeds"]]
    console.print(_table("Feeds", feeds))
    for title, key in (
        ("Seen of today", "coverage"),
        ("Live view", "live"),
        ("Streams in Redis", "streams"),
        ("Rejected in the last day", "rejected"),
        ("Last materializations", "tables"),
        ("On disk", "storage"),
        ("Compression and retention", "policies"),
        ("Stale days", "stale"),
        ("Failing checks", "failing_checks"),
        ("Incidents", "incidents"),
        ("Channels that are down", "channels_down"),
    ):
        if status[key]:
            console.print(_table(title, _SHORT.get(key, _as_it_is)(status[key])))
    for problem in status["problems"]:
        console.print(f"wrong: {problem}", style="bold red", markup=False, highlight=False)
    if not status["problems"]:
        console.print("all is well", style="bold green")


def _table(title: str, rows: list[dict[str, Any]]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for name in rows[0] if rows else ():
        numeric = all(isinstance(row[name], int | float | None) and not isinstance(row[name], bool) for row in rows)
        table.add_column(name.replace("_", " "), justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row.values()))
    return table


def _cell(value: object) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case _:
            return str(value)

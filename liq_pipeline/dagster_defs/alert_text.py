"""What an alert says. Pure, so that the wording is tested without a channel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from liq_pipeline.dagster_defs.event_log import CheckFailure, Failure

_SHOWN = 20


class Message(NamedTuple):
    """A title of one line, and a body of one line or two per failure."""

    title: str
    body: str


def message(failures: Sequence[Failure], ui_url: str) -> Message:
    """One message about all of them, the first 20 in words."""
    lines = [_describe(failure, ui_url) for failure in failures[:_SHOWN]]
    if len(failures) > _SHOWN:
        lines.append(f"and {len(failures) - _SHOWN} more: {ui_url}/runs")
    return Message(_title(failures), "\n\n".join(lines))


def _title(failures: Sequence[Failure]) -> str:
    first, more = failures[0], f" and {len(failures) - 1} more" if len(failures) > 1 else ""
    if isinstance(first, CheckFailure):
        return f"liq: check {first.asset}/{first.check} failed for {first.day}{more}"
    return f"liq: run of {first.job} failed ({first.day}){more}"


def _describe(failure: Failure, ui_url: str) -> str:
    link = f"{ui_url}/runs/{failure.run_id}"
    if isinstance(failure, CheckFailure):
        seen = ", ".join(f"{name} {value}" for name, value in failure.seen.items() if name != "day")
        return (
            f"{failure.severity}: {failure.day} {failure.asset}, check {failure.check}: {failure.description}"
            f"{f' (seen: {seen})' if seen else ''}\n{link}"
        )
    return f"ERROR: {failure.day} {failure.job} failed: {failure.reason}\n{link}"

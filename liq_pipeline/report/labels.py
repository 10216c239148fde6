"""What a venue's numbers are worth: how much of its day was seen, and what it publishes at all."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from liq_pipeline import saying
from liq_pipeline.exchanges.published import in_words
from liq_pipeline.report.gathering import Day

_INVERSE: Final = ":inverse"


class Label(NamedTuple):
    """What stands beside a venue wherever venues are compared; ``kind`` is complete, throttled, mixed or unknown."""

    exchange: str
    kind: str
    text: str


def labels(day: Day) -> dict[str, Label]:
    """By exchange its label: of every feed of its that was collected, or had events."""
    feeds: dict[str, list[dict[str, Any]]] = {}
    for feed in day.coverage.iter_rows(named=True):
        if feed["collected"] or feed["event_count"]:
            feeds.setdefault(feed["exchange"].removesuffix(_INVERSE), []).append(feed)
    known = {exchange: _label(exchange, of_exchange) for exchange, of_exchange in feeds.items()}
    missing = set(day.hourly["exchange"]) - known.keys()
    return known | {name: Label(name, "unknown", "it is not known what was seen of it") for name in sorted(missing)}


def comparable(of_day: dict[str, Label], exchanges: set[str]) -> bool:
    """Whether volumes of these exchanges mean the same."""
    return len(exchanges) < 2 or {of_day[name].kind for name in exchanges} == {"complete"}


def seen(feed: dict[str, Any]) -> str:
    """How much of a feed's day was seen, in words."""
    if not feed["collected"]:
        return "not collected, only imported" if feed["event_count"] else "not collected"
    return f"{saying.percent(feed['coverage'])} of the day seen"


def why_empty(day: Day) -> str | None:
    """Why there is nothing to show, as far as it is known; None if there is something.

    Said of the day alone, not of what else is in the database by now: the same day has the same report.
    """
    if not day.hourly.is_empty():
        return None
    collected = [feed for feed in day.coverage.iter_rows(named=True) if feed["collected"]]
    if not collected:
        return "No liquidation of it has landed, and no feed was collected: `liq import` brings archives."
    said = ", ".join(f"{feed['exchange']} {saying.percent(feed['coverage'])}" for feed in collected)
    return f"No liquidation of it has landed. What was seen of the day: {said}."


def _label(exchange: str, feeds: list[dict[str, Any]]) -> Label:
    kinds = {"complete" if feed["complete"] else "throttled" for feed in feeds}
    said = [
        f"{'inverse: ' if feed['exchange'].endswith(_INVERSE) else ''}{_published(feed)}; {seen(feed)}"
        for feed in feeds
    ]
    return Label(exchange, kinds.pop() if len(kinds) == 1 else "mixed", ". ".join(said))


def _published(feed: dict[str, Any]) -> str:
    if feed["feed_semantics"]:
        return f"publishes {in_words(feed['feed_semantics'])}"
    return "publishes every liquidation" if feed["complete"] else "publishes at most one per symbol and second"

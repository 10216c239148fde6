"""A moment as lines, no wider and no more than asked for.

Nothing is said by colour alone: sides are words, or glyphs that differ, and states are words. What does not fit is cut
with a mark, and the lists get the height that is left.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from textwrap import wrap
from typing import Final

from rich.text import Text

from liq_pipeline import saying
from liq_pipeline.top.ink import Ink
from liq_pipeline.top.moment import Document, Feed, Large, LiveView, Moment, Tables

HEIGHT: Final = 24
"""As high as it is where nothing says how high it may be."""
_WIDE: Final = 100
_SIDES: Final = ("LONG", "SHORT")
_NOTHING: Final = Decimal(0)
_BAD: Final = "bold red"
_TITLE: Final = "bold"
_FOOT: Final = "q quit  s next symbol  LONG, SHORT: side of the closed position. Times in UTC"
_UNITS: Final = (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1))
_FINE: Final = frozenset({"live", "connecting", "reading", "starting"})


def picture(document: Document, ink: Ink, width: int, height: int, troubles: Sequence[str] = ()) -> list[Text]:
    """All of it; ``troubles`` are sentences about what could not be read just now."""
    moment = document.moment
    wrong = [line for trouble in (*troubles, *_troubles(document)) for line in _sentence(trouble, ink, width, 2)]
    above = [
        *_heading(document, ink, width),
        *wrong[: max(height // 6, 1)],
        *_feeds(moment, ink),
        *_hour(moment, ink, width),
    ]
    room = max(height - len(above) - 1, 4)
    cascades = _cascades(moment, ink)[: max(room // 3, 2)]
    rows = room - len(cascades)
    lines = [*above, *_below(moment, ink, width, rows), *cascades][: height - 1]
    return [ink.cut(line, width) for line in (*lines, ink.text(_FOOT, "dim"))]


def waiting(trouble: str, ink: Ink, width: int) -> list[Text]:
    """As long as there was no moment yet."""
    return [ink.text("liq top", _TITLE), *_sentence(trouble, ink, width, 10), ink.text("q quit", "dim")]


def _sentence(trouble: str, ink: Ink, width: int, lines: int) -> list[Text]:
    """Something that is wrong, on as many lines at most."""
    cut = wrap(trouble, width, subsequent_indent="  ", max_lines=lines, placeholder=" ~" if ink.is_ascii else " …")
    return [ink.text(line, _BAD) for line in cut]


def _heading(document: Document, ink: Ink, width: int) -> list[Text]:
    moment = document.moment
    kind = "demo: simulated exchanges" if document.demo else "real exchanges"
    at = f"{_at(moment.time):%Y-%m-%d %H:%M:%S} UTC"
    first = ink.beside(
        (ink.text("liq top", _TITLE), ink.text(f" {kind}, {document.home}", most=width - len(at) - 9), ink.text(at)),
        (7, width - len(at) - 9, len(at)),
        "<<>",
    )
    second = ink.text("live view: ").append_text(_word(moment.live.state, ink))
    return [first, second.append_text(ink.text(_hour_ends(moment) + _made(document.tables)))]


def _hour_ends(moment: Moment) -> str:
    if moment.live.watermark is None:
        return ", no event yet"
    return f", its hour ends {_clock(moment.live.watermark)}, {_ago(moment.live.watermark, moment)} ago"


def _made(tables: Tables | None) -> str:
    """When the tables of today were."""
    if tables is None:
        return ""
    if tables.materialized_at is None:
        return "; today's tables not made yet"
    return f"; today's tables made {_clock(tables.materialized_at)[:5]}"


def _troubles(document: Document) -> Iterator[str]:
    live, tables = document.moment.live, document.tables
    yield from _of_live(live)
    for feed in document.moment.feeds:
        if feed.error and feed.state != "not collected":
            yield f"{feed.feed}: {feed.error}"
    if tables is None:
        return
    if tables.error:
        yield f"database: {tables.error}"
    if tables.stale_days:
        yield f"{tables.stale_days} past days are stale: `liq status` lists them"
    if tables.incidents:
        yield f"{len(tables.incidents)} incidents stand, {tables.incidents[0]} the first: `liq status` lists them"


def _of_live(live: LiveView) -> Iterator[str]:
    if live.state == "not running":
        since = "ever" if live.updated_at is None else f"since {_at(live.updated_at):%Y-%m-%d %H:%M:%S}"
        yield f"no live view runs {since}, the hour is not kept up: start `liq up` or `liq live`"
    if live.error:
        yield f"live view: {live.error}"


def _feeds(moment: Moment, ink: Ink) -> list[Text]:
    titles = ("Feeds", "state", "publishes", "frame", "event", "ev/min", "rejected", "reconn")

    def row(feed: Feed) -> list[Text]:
        ago = ("-" if at is None else _briefly(at, moment) for at in (feed.last_frame_at, feed.last_event_at))
        numbers = (f"{number:,}" for number in (feed.events_per_minute, feed.rejected, feed.reconnects))
        publishes = "all" if feed.complete else "throttled"
        return [ink.text(feed.feed), _word(feed.state, ink), *map(ink.text, (publishes, *ago, *numbers))]

    return ink.columns([_titles(titles, ink), *map(row, moment.feeds)], "<<<>>>>>")


def _hour(moment: Moment, ink: Ink, width: int) -> list[Text]:
    """Venues, and the glyphs of the sides, which are those of the levels, too."""
    found = {(venue.exchange, venue.side): venue for venue in moment.venues}
    most = max((venue.total_value_usd for venue in moment.venues), default=_NOTHING)
    room = max((width - 56) // 2, 4)
    exchanges = dict.fromkeys(
        [*(feed.feed.partition(":")[0] for feed in moment.feeds), *(venue.exchange for venue in moment.venues)]
    )
    titles = ["Last hour", *(title for side in _SIDES for title in (f"{side} events", "USD", " " * room))]
    rows = [_titles(titles, ink)]
    for exchange in exchanges:
        cells = [ink.text(exchange)]
        for side in _SIDES:
            venue = found.get((exchange, side))
            count, value = (venue.event_count, venue.total_value_usd) if venue else (0, _NOTHING)
            cells += [ink.text(f"{count:,}"), ink.text(saying.usd(value)), ink.bar(side, value, most, room)]
        rows.append(cells)
    total = [ink.text("all")]
    for side in _SIDES:
        some = [venue for venue in moment.venues if venue.side == side]
        value = sum((venue.total_value_usd for venue in some), _NOTHING)
        total += map(ink.text, (f"{sum(venue.event_count for venue in some):,}", saying.usd(value), ""))
    rows.append(total)
    return ink.columns(rows, "<>><>><")


def _below(moment: Moment, ink: Ink, width: int, rows: int) -> list[Text]:
    """The largest beside the price levels, ``rows`` in all."""
    left = _largest(moment, ink, width >= _WIDE, rows)
    least = 40 if width < _WIDE else 58
    most = max(least, *(line.cell_len for line in left))
    right = _levels(moment, ink, width - most - 2, rows)
    empty = ink.text("")
    left, right = ([*lines, *[empty] * (rows - len(lines))] for lines in (left, right))
    return [ink.beside(pair, (most + 1, 0), "<<") for pair in zip(left, right, strict=True)]


def _largest(moment: Moment, ink: Ink, is_wide: bool, rows: int) -> list[Text]:
    titles = ("Largest", "venue", "symbol", "side", *(("price",) if is_wide else ()), "USD")

    def row(large: Large) -> list[Text]:
        at = _clock(large.time)
        return [
            ink.text(at if is_wide else at[:5]),
            ink.text(large.exchange),
            ink.text(large.symbol, most=16 if is_wide else 12),
            ink.text(large.side),
            *([ink.text(saying.price(large.price), most=14)] if is_wide else []),
            ink.text(saying.usd(large.value_usd)),
        ]

    if not moment.largest:
        return [ink.text("Largest", _TITLE), ink.text("none", "dim")][:rows]
    lines = [_titles(titles, ink), *map(row, moment.largest[: max(rows - 1, 0)])]
    return ink.columns(lines, "<<<<>>" if is_wide else "<<<<>")[:rows]


def _levels(moment: Moment, ink: Ink, width: int, rows: int) -> list[Text]:
    """Those with the most USD, the highest price first."""
    one = Decimal(1)
    legend = [piece for side in _SIDES for piece in (ink.bar(side, one, one, 1), ink.text(f" {side} "))]
    title = ink.text("Levels ", _TITLE).append_text(ink.text(moment.symbol or "", _TITLE, most=max(width - 24, 4)))
    title.append("  ").append_text(Text("", end="").join(legend))
    values: dict[Decimal, dict[str, Decimal]] = {}
    for level in moment.levels:
        values.setdefault(level.price_level, dict.fromkeys(_SIDES, _NOTHING))[level.side] += level.total_value_usd
    sums = {price: sum(sides.values(), _NOTHING) for price, sides in values.items()}
    shown = sorted(sums, key=lambda price: (-sums[price], -price))[: max(rows - 1, 0)]
    if not shown:
        return [title, ink.text("none", "dim")][:rows]
    labels = {price: ink.text(saying.price(price), most=14) for price in shown}
    room = max(width - max(label.cell_len for label in labels.values()) - 8, 2)
    most = max(sums[price] for price in shown)
    lines = []
    for price in sorted(shown, reverse=True):
        bars = ink.bars(values[price]["LONG"], values[price]["SHORT"], most, room)
        lines.append((labels[price], bars, ink.text(saying.usd(sums[price]))))
    return [title, *ink.columns(lines, "><>")][:rows]


def _cascades(moment: Moment, ink: Ink) -> list[Text]:
    if not moment.cascades:
        return [ink.text("Active cascades", _TITLE), ink.text("none", "dim")]
    rows = [_titles(("Active cascades", "risk", "", "events", "USD", "age", "exchanges"), ink)]
    for cascade in moment.cascades:
        rows.append(
            [
                ink.text(cascade.symbol, most=20),
                ink.text(f"{cascade.risk_score:.2f}"),
                ink.text(("#" if ink.is_ascii else "■") * round(10 * cascade.risk_score)),
                ink.text(f"{cascade.event_count:,}"),
                ink.text(saying.usd(cascade.total_value_usd)),
                ink.text(_ago(cascade.cascade_start, moment)),
                ink.text(", ".join(cascade.exchanges_involved)),
            ]
        )
    return ink.columns(rows, "<><>>><")


def _titles(words: Sequence[str], ink: Ink) -> list[Text]:
    return [ink.text(word, _TITLE) for word in words]


def _word(state: str, ink: Ink) -> Text:
    return ink.text(state, "" if state in _FINE else _BAD)


def _ago(at: int, moment: Moment) -> str:
    """How long before the moment, in whole seconds; what is ahead of it by Redis's clock was just now."""
    return saying.span(max(moment.time - at, 0) // 1000)


def _briefly(at: int, moment: Moment) -> str:
    """The same in few characters."""
    seconds = max(moment.time - at, 0) // 1000
    unit, size = next((each for each in _UNITS if seconds >= 2 * each[1]), _UNITS[-1])
    return f"{seconds // size} {unit}"


def _at(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _clock(milliseconds: int) -> str:
    return saying.clock(_at(milliseconds))

"""What a message says. Pure, so that the wording is tested without a channel."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

from liq_pipeline.warehouse.outbox import Said

Kind = Literal["error", "warning", "healed", "notice"]
_FEW: Final = 3
"""So many lines get all their links; of more, each gets its first."""
_TITLE: Final = 120
_LINE: Final = 600
_MORE: Final = 120
"""Characters kept free for the last line."""
_PLURAL: Final[dict[Kind, str]] = {"error": "errors", "warning": "warnings", "healed": "healed", "notice": "notices"}


class Message(NamedTuple):
    """A title of one line, a body of a line or a few per thing said, and the worst of what it says."""

    title: str
    body: str
    kind: Kind


def compose(said: Sequence[Said], more: int, old: int, ui_url: str, room: int) -> Message:
    """One message about all of ``said``, as many of it in words as ``room`` characters allow.

    ``more`` other things are only counted, and so are ``old`` ones, which could not be delivered for a day.
    """
    links = None if len(said) <= _FEW else 1
    lines: list[str] = []
    for item in said:
        line = _line(item, ui_url, links)
        if lines and sum(map(len, lines)) + 2 * len(lines) + len(line) + _MORE > room:
            break
        lines.append(line[: max(room - _MORE, 0)])
    left = len(said) - len(lines) + more
    if old:
        lines.append(f"{old} older than a day could not be delivered in time: {ui_url}/runs")
    if left:
        lines.append(f"and {left} more: {ui_url}/runs")
    return Message(_title(said, more, old), "\n\n".join(lines), _worst(said))


def _title(said: Sequence[Said], more: int, old: int) -> str:
    if not said:
        return f"liq: {old} alerts could not be delivered in time"
    if len(said) + more + old == 1:
        return _cut(f"liq: {_label(said[0])}: {said[0].subject}", _TITLE)
    counts = Counter(_kind(item) for item in said)
    parts = [
        f"{counts[kind]} {kind if counts[kind] == 1 else plural}" for kind, plural in _PLURAL.items() if counts[kind]
    ]
    return _cut(f"liq: {', '.join(parts)}{f', {more + old} more' if more + old else ''}: {said[0].subject}, …", _TITLE)


def _line(item: Said, ui_url: str, links: int | None) -> str:
    head = _cut(f"{_label(item)}: {item.subject}: {item.text} ({item.at:%Y-%m-%d %H:%M} UTC)", _LINE)
    return "\n".join([head, *(f"{ui_url}{link}" for link in item.links[:links])])


def _label(item: Said) -> str:
    return {"broke": item.severity, "healed": "HEALED", "notice": "NOTICE"}[item.kind]


def _kind(item: Said) -> Kind:
    if item.kind == "broke":
        return "error" if item.severity == "ERROR" else "warning"
    return "healed" if item.kind == "healed" else "notice"


def _worst(said: Sequence[Said]) -> Kind:
    kinds = {_kind(item) for item in said}
    order: tuple[Kind, ...] = ("error", "warning", "notice", "healed")
    return next((kind for kind in order if kind in kinds), "warning")


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"

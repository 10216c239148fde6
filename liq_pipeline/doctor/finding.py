"""What an examination finds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple


class Finding(NamedTuple):
    """``wrong`` has to be mended, a ``note`` is for somebody who did not mean it so, the rest is ``fine``."""

    level: Literal["fine", "note", "wrong"]
    thing: str
    said: str
    fix: str = ""


Findings = Iterator[Finding]


def fine(thing: str, said: str) -> Finding:
    return Finding("fine", thing, said)


def note(thing: str, said: str, fix: str) -> Finding:
    return Finding("note", thing, said, fix)


def wrong(thing: str, said: str, fix: str = "") -> Finding:
    """``fix`` may be left out where ``said`` is an error's sentence, which has it."""
    return Finding("wrong", thing, said, fix)

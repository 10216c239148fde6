"""Recordings made for a test, and tapes of them."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from liq_pipeline.exchanges.instruments import snapshot
from liq_pipeline.imports.sources import find
from liq_pipeline.imports.window import Window
from liq_pipeline.replay.reading import Admission
from liq_pipeline.replay.recordings import Recording, Wanted, identify
from liq_pipeline.replay.tape import Tape
from liq_pipeline.settings import Settings
from liq_pipeline_tests.fakes import frames

NOW = 1_795_000_000_000
START = 1_791_565_602_120
"""The event time of ``frames.binance(0)``."""


def window(**settings: object) -> Window:
    return Window(Settings.model_validate({"retention_days": 0, **settings}), NOW)


def write(path: Path, lines: Sequence[str]) -> Path:
    """The lines as a file, compressed if its name says so."""
    text = "".join(line + "\n" for line in lines).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


def received(frame: str, at: int) -> str:
    return json.dumps({"received_at": at, "frame": json.loads(frame)})


def binance(path: Path, *numbers: int) -> Path:
    """A recording of Binance frames, one event each, ``number`` milliseconds after START."""
    return write(path, [frames.binance(number) for number in numbers])


def recordings(*paths: Path, wanted: Wanted | None = None) -> list[Recording]:
    found = [identify(source, wanted or Wanted(), snapshot) for path in paths for source in find(path)]
    return [recording for recording in found if recording is not None]


@contextmanager
def tape_of(*paths: Path, within: Window | None = None, moving: bool = False) -> Iterator[Tape]:
    with Tape(recordings(*paths), None if moving else Admission(within or window())) as tape:
        tape.read()
        yield tape


def event_times(tape: Tape) -> list[int]:
    return [entry.liquidation.time for played in tape.play(0, len(tape)) for entry in played.entries]

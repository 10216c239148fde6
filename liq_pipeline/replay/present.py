"""Moving a tape to the present."""

from __future__ import annotations

from liq_pipeline.errors import ReplayError
from liq_pipeline.imports.window import Window, day_of
from liq_pipeline.replay.tape import Tape


def plays_in_time(speed: float) -> bool:
    """Whether a tape moved to the present begins there; at a higher speed it would run into the future."""
    return 0 < speed <= 1


def move_to_present(tape: Tape, start: int, stop: int, speed: float, window: Window) -> None:
    """Let the lines from ``start`` to ``stop`` (excluded) begin at the present, or end there if they are played faster.

    Raises ReplayError if they would begin on a day that settings exclude, or cannot be moved.
    """
    delta = window.now - int(tape.times[start if plays_in_time(speed) else stop - 1])
    begin = int(tape.times[start]) + delta
    if refusal := window.refusal(begin):
        raise ReplayError(
            f"moved to the present the recordings would begin on {day_of(begin)}: {refusal}; "
            "or replay a part of them with --from"
        )
    tape.move(delta)

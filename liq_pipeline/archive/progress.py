"""What became of the archive's files: table ``archive_files``, and where each file stands by it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Final, NamedTuple

from liq_pipeline.archive.scan import Found
from liq_pipeline.settings import Settings
from liq_pipeline.warehouse.connection import Connection
from liq_pipeline.warehouse.day_state import refusal as refusal_of_day

_OUTCOMES: Final = "SELECT path, size_bytes, modified_ns, refusal FROM archive_files"
_RECORD: Final = """
INSERT INTO archive_files (path, size_bytes, modified_ns, imported_at, refusal)
VALUES (%(path)s, %(size)s, %(modified_ns)s, CASE WHEN %(refusal)s::text IS NULL THEN now() END, %(refusal)s)
ON CONFLICT (path) DO UPDATE SET
    size_bytes = excluded.size_bytes, modified_ns = excluded.modified_ns,
    imported_at = excluded.imported_at, refusal = excluded.refusal"""


class State(StrEnum):
    """Where a file of the archive stands."""

    IMPORTED = "imported"
    WAITING = "waiting"
    REFUSED = "refused"
    """Its import was refused. It is tried again once it has changed, or when somebody materializes its day."""
    EXCLUDED = "excluded"
    """Settings exclude its day."""
    WRITING = "being written"


class Standing(NamedTuple):
    """A file and its state; ``reason`` says why it was refused or is excluded, with the fix."""

    file: Found
    state: State
    reason: str = ""


class Outcome(NamedTuple):
    """What became of a file as it was; ``refusal`` is None if it was imported."""

    size: int
    modified_ns: int
    refusal: str | None


def outcomes(connection: Connection) -> dict[str, Outcome]:
    """What is recorded of each file, by its path."""
    return {path: Outcome(*outcome) for path, *outcome in connection.execute(_OUTCOMES)}


def record(connection: Connection, file: Found, refusal: str | None) -> None:
    """Remember that the file, as it was found, was imported, or why it was refused."""
    values = {"path": file.path, "size": file.size, "modified_ns": file.modified_ns, "refusal": refusal}
    connection.execute(_RECORD, values)


def standings(
    files: Iterable[Found], recorded: Mapping[str, Outcome], settings: Settings, now: float
) -> list[Standing]:
    """Where each of ``files`` stands at ``now`` (seconds UTC), in their order."""
    today = datetime.fromtimestamp(now, UTC).date()
    return [_standing(file, recorded.get(file.path), settings, now, today) for file in files]


def _standing(file: Found, outcome: Outcome | None, settings: Settings, now: float, today: date) -> Standing:
    unchanged = outcome is not None and (outcome.size, outcome.modified_ns) == (file.size, file.modified_ns)
    if outcome and unchanged and outcome.refusal is None:
        return Standing(file, State.IMPORTED)
    if excluded := _exclusion(file.place.day, settings, today):
        return Standing(file, State.EXCLUDED, excluded)
    if outcome and unchanged:
        return Standing(file, State.REFUSED, outcome.refusal or "")
    return Standing(file, State.WAITING if file.settled(now) else State.WRITING)


def _exclusion(day: date, settings: Settings, today: date) -> str | None:
    if day > today:
        return f"{day} has not begun: correct the day in its name"
    return refusal_of_day(day, settings, today)

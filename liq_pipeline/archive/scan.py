"""Which files lie below LIQ_ARCHIVE_DIR: a look at names, sizes and times, never into a file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Final, NamedTuple

from liq_pipeline.archive.layout import Misplaced, Place, globs_of, is_companion, place
from liq_pipeline.errors import SettingsError

_SETTLED_SECONDS: Final = 30
"""A file that changed within so long may still be written. wget dates a complete file as its site does."""


class Found(NamedTuple):
    """A file of the archive; ``path`` is relative to it, ``modified_ns`` is nanoseconds UTC."""

    path: str
    place: Place
    size: int
    modified_ns: int

    def settled(self, now: float) -> bool:
        """Whether nobody seems to be writing it at ``now`` (seconds UTC). One dated in the future is settled."""
        return not 0 <= now - self.modified_ns / 1e9 < _SETTLED_SECONDS


class Problem(NamedTuple):
    """Something below the archive that cannot be used, and why."""

    path: str
    reason: str


def named(path: str, reason: str) -> str:
    """The reason with the file it is about, for people."""
    return reason if path in reason else f"{path}: {reason}"


class Scan(NamedTuple):
    """Everything there is, in order of path."""

    files: list[Found]
    problems: list[Problem]


def archive_root(folder: Path) -> Path:
    """The folder of LIQ_ARCHIVE_DIR; raises SettingsError, with the fix, if it is not there."""
    if not folder.is_dir():
        raise SettingsError(f"LIQ_ARCHIVE_DIR={folder} is no folder: make or mount it, or correct the variable")
    return folder


def scan(root: Path) -> Scan:
    """All files below ``root``; raises SettingsError if that is no folder."""
    files: list[Found] = []
    problems: list[Problem] = []
    for entry in _walk(archive_root(root), "", problems):
        _classify(*entry, files, problems)
    return Scan(sorted(files), sorted(problems))


def of_day(root: Path, day: date) -> list[Found]:
    """The files of one day, in order of path, without looking at all others; SettingsError like ``scan``."""
    archive_root(root)
    files: list[Found] = []
    for pattern in globs_of(day):
        for path in root.glob(pattern):
            relative = path.relative_to(root)
            if path.is_file() and not any(map(is_companion, relative.parts)) and not _linked(root, relative):
                _classify(relative.as_posix(), path.stat(), files, [])
    return sorted(found for found in files if found.place.day == day)


def _linked(root: Path, relative: Path) -> bool:
    """Whether a folder on the way is a link, which ``scan`` names as a problem."""
    return any((root / folder).is_symlink() for folder in list(relative.parents)[:-1])


def _walk(folder: Path, prefix: str, problems: list[Problem]) -> Iterator[tuple[str, os.stat_result]]:
    try:
        with os.scandir(folder) as listing:
            entries = list(listing)
    except OSError as error:
        problems.append(Problem(prefix, f"this folder cannot be read: {error.strerror}; correct its permissions"))
        return
    for entry in entries:
        path = prefix + entry.name
        if is_companion(entry.name):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path), f"{path}/", problems)
        elif entry.is_dir():
            problems.append(Problem(path, "links to folders are not followed: mount or move the folder here"))
        else:
            try:
                yield path, entry.stat()
            except OSError as error:
                # Gone since it was listed, or a link to nowhere.
                problems.append(Problem(path, f"this file cannot be read: {error.strerror}; remove or replace it"))


def _classify(path: str, stat: os.stat_result, files: list[Found], problems: list[Problem]) -> None:
    readable = os.fsencode(path).decode(errors="backslashreplace")
    if readable != path:
        problems.append(Problem(readable, "its name is not UTF-8: rename it"))
        return
    match place(path):
        case Misplaced(reason):
            problems.append(Problem(path, reason))
        case Place() as where:
            files.append(Found(path, where, stat.st_size, stat.st_mtime_ns))

"""The whole archive at a glance: where each file stands, and what a person has to mend."""

from __future__ import annotations

import time
from pathlib import Path
from typing import NamedTuple

from liq_pipeline.archive import progress
from liq_pipeline.archive.progress import Standing, State
from liq_pipeline.archive.scan import Problem, scan
from liq_pipeline.settings import Settings
from liq_pipeline.warehouse import migrate
from liq_pipeline.warehouse.connection import READER, connect


class Survey(NamedTuple):
    """Every file in order of path, and what is no file of the archive."""

    standings: list[Standing]
    problems: list[Problem]

    def of(self, state: State) -> list[Standing]:
        """The files in a state."""
        return [standing for standing in self.standings if standing.state is state]

    def to_mend(self) -> list[Problem]:
        """Files that were refused, and what fits nowhere, with the fixes."""
        refused = [Problem(standing.file.path, standing.reason) for standing in self.of(State.REFUSED)]
        return [*refused, *self.problems]


def survey(root: Path, settings: Settings, database_url: str, now: float | None = None) -> Survey:
    """Look at the archive at ``now`` (seconds UTC).

    Raises SettingsError if it is not there, ServerError or SchemaError if the database cannot say what was imported.
    """
    found = scan(root)
    migrate.check(database_url)
    with connect(database_url, role=READER) as connection:
        recorded = progress.outcomes(connection)
    return Survey(progress.standings(found.files, recorded, settings, now or time.time()), found.problems)

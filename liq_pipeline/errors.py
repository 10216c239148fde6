"""The errors this project raises: each message names the thing, the value and the fix."""

from __future__ import annotations


class LiqError(Exception):
    """Base of every error a user can mend; the command line prints its message without a traceback."""


class SettingsError(LiqError):
    """A setting is missing, malformed or contradicts another."""


class InvalidLiquidationError(LiqError):
    """A venue's fields do not make a liquidation; the text is the reason of the recorded rejection."""


class ServerError(LiqError):
    """PostgreSQL or Redis cannot be started, reached or logged in to."""


class SchemaError(LiqError):
    """The database's schema is not the one this version works with."""


class ImportRefusedError(LiqError):
    """A file, or a part of one, may not be imported."""


class DayRefusedError(LiqError):
    """A day cannot be materialized: outside the partitions, or its events are no longer all retained."""


class QueryError(LiqError):
    """A query is asked for what it cannot answer."""


class ReplayError(LiqError):
    """A recording cannot be replayed, or a replay was told what it does not understand."""


class VenueError(LiqError):
    """An exchange cannot be asked for its history, or answers something else."""


class ReportError(LiqError):
    """A report cannot be written where it should be."""

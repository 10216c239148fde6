"""The ``liq`` command: one module per command, imported only when it runs so that help stays quick."""

from __future__ import annotations

import importlib
import sys

import click

from liq_pipeline.errors import LiqError

_COMMANDS = {
    "up": ("up", "Start everything and open the Dagster UI; the main job."),
    "test": ("test", "Run the whole test suite with its own servers."),
    "env": ("env", "Print the environment for other tools, such as `dagster dev`."),
    "collect": ("collect", "Collect liquidations in the foreground."),
    "live": ("live", "Show the last hour in Redis as it happens, and record final cascades."),
    "import": ("import_", "Land an archive file in liquidations_raw."),
    "archive": ("archive", "Show the archive of LIQ_ARCHIVE_DIR, and addresses to download more."),
    "replay": ("replay", "Push recordings through the parsers into the Redis streams, at any speed."),
    "heal": ("heal", "Fill gaps from the exchanges' own history."),
    "reparse": ("reparse", "Read what was landed again with today's parsers."),
    "materialize": ("materialize", "Materialize the daily assets for a range of days."),
    "migrate": ("migrate", "Bring the schema up to date, or move the database to TimescaleDB."),
    "alert": ("alert", "Send a test message to the channels of LIQ_ALERT_URLS."),
    "query": ("query", "Ask the tables, or Redis for what happens now: as a table, CSV, JSON or Parquet."),
    "status": ("status", "Show servers, feeds, backlog and stale days; exit 1 if something is wrong."),
    "top": ("top", "Show what happens now, in the terminal."),
    "doctor": ("doctor", "Show what is misconfigured, and how to mend it."),
    "simulate": ("simulate", "Write frames in the venues' wire formats, and the ledger of what they mean."),
}


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, _ = _COMMANDS[cmd_name]
        command = importlib.import_module(f"liq_pipeline.cli.{module}").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
def liq() -> None:
    """Trustworthy liquidation data for crypto perpetual futures.

    Settings are LIQ_* environment variables or a .env file. Start with `./liq up --demo`.
    """


def main() -> None:
    """Run the command line; errors a user can mend are one line and exit code 2."""
    try:
        liq.main(standalone_mode=False)
    except LiqError as error:
        click.echo(f"liq: {error}", err=True)
        sys.exit(2)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("liq: interrupted", err=True)
        sys.exit(130)

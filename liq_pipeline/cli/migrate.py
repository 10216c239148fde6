"""``liq migrate``: the schema of the database, and its move to TimescaleDB."""

from __future__ import annotations

import click

from liq_pipeline.embedded import servers
from liq_pipeline.settings import load_settings
from liq_pipeline.warehouse import migrate, moving, policies, reads, roles
from liq_pipeline.warehouse.connection import connect


@click.command("migrate")
@click.option("--to-timescaledb", is_flag=True, help="Move a plain database to TimescaleDB; every row is kept.")
def command(to_timescaledb: bool) -> None:
    """Bring the database's schema, roles and policies to what this program and the settings want, as `liq up` does.

    --to-timescaledb is for a database that was made before its server had TimescaleDB: install the extension, add it
    to shared_preload_libraries, restart PostgreSQL, stop `liq up`, back up, and run this once. It is one transaction:
    an interruption leaves the database as it was. It needs as much free disk again as the tables take; every row is
    compared before and after.
    """
    settings = load_settings()
    configured = settings.database_url
    # Redis has no part in it, so it need not be configured or running.
    database_url = configured.get_secret_value() if configured else servers.locate(settings).database_url
    version = migrate.migrate(database_url)
    if to_timescaledb:
        _move(database_url)
    policies.apply(database_url, settings)
    with connect(database_url) as connection:
        click.echo(f"schema version {version}: {reads.flavour(connection).text}; {roles.said(connection)}")


def _move(database_url: str) -> None:
    report = moving.to_timescaledb(database_url, lambda text: click.echo(text, err=True))
    if not report.applied:
        click.echo("the database is on TimescaleDB already", err=True)
    for table, rows in report.rows.items():
        click.echo(f"{table}: {rows:,} rows")

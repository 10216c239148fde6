"""``liq env``: the environment for other tools."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click

from liq_pipeline.cli.dagster_home import create_storage, exports
from liq_pipeline.embedded import servers
from liq_pipeline.embedded.home import Home
from liq_pipeline.settings import Settings, load_settings


def _announce(text: str) -> None:
    click.echo(f"liq: {text}", err=True)


@click.command("env")
@click.option("--start", is_flag=True, help="Bring up the embedded servers first; they stay until --stop.")
@click.option("--stop", is_flag=True, help="Stop the embedded servers that --start left running.")
def command(start: bool, stop: bool) -> None:
    """Print the environment for other tools, as lines a shell can evaluate.

    \b
        eval "$(liq env --start)"
        dagster dev

    Servers without a URL are those of LIQ_HOME. Beside a running `liq up`, --start is refused and the DAGSTER_*
    variables are left out: two Dagster daemons on one storage fail each other's runs.
    """
    if start and stop:
        raise click.UsageError("--start and --stop exclude each other")
    settings = load_settings()
    if stop:
        stopped = servers.stop(settings)
        _announce(f"stopped {' and '.join(stopped)}" if stopped else "no embedded servers were running")
        return
    home = Home.prepare(settings.home)
    if start:
        found = servers.ensure(settings, _announce)
        _prepare(found, settings)
    else:
        found = servers.locate(settings)
    variables = exports(home, found)
    if not start and (holder := home.in_use()):
        _announce(f"DAGSTER_* left out, since LIQ_HOME={home.path} is in use by {holder}")
        variables = {name: value for name, value in variables.items() if not name.startswith("DAGSTER_")}
    for name, value in variables.items():
        click.echo(f"export {name}={shlex.quote(value)}")
    # The tools of this environment are what the variables are for: `dagster dev` works without activating it.
    scripts = Path(sys.executable).parent
    click.echo(f'export PATH={shlex.quote(str(scripts))}:"$PATH"')


def _prepare(found: servers.Servers, settings: Settings) -> None:
    from liq_pipeline.warehouse import policies
    from liq_pipeline.warehouse.migrate import migrate

    _announce(f"schema version {migrate(found.database_url)}")
    policies.apply(found.database_url, settings)
    create_storage(found.database_url)

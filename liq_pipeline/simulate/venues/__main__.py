"""``python -m liq_pipeline.simulate.venues``: the demo's venues as a process of their own.

Writes the servers' URLs as JSON to the port file once all of them listen, and runs until SIGTERM or SIGINT, or
until the process named by ``--parent-pid`` is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from pathlib import Path

import click
import psutil

from liq_pipeline.errors import LiqError, ServerError, SettingsError
from liq_pipeline.simulate.catalogue import VENUES
from liq_pipeline.simulate.venues import Behaviour, live, serve

_DISCONNECT_SECONDS = 900.0


@click.command()
@click.option("--seed", type=int, default=1, show_default=True, help="Which market.")
@click.option("--port-file", type=click.Path(path_type=Path, dir_okay=False), help="Where to write the URLs.")
@click.option("--ports", default="", help="Ports of binance,bybit,okx, such as 9001,9002,9003; free ones if absent.")
@click.option("--parent-pid", type=int, help="Stop when this process is gone.")
def command(seed: int, port_file: Path | None, ports: str, parent_pid: int | None) -> None:
    """Run simulated exchanges on loopback: WebSocket and instrument lists."""
    try:
        asyncio.run(_run(seed, port_file, _ports(ports), parent_pid))
    except LiqError as error:
        click.echo(f"venues: {error}", err=True)
        sys.exit(2)


def _ports(text: str) -> dict[str, int]:
    if not text:
        return {}
    numbers = text.split(",")
    if len(numbers) != len(VENUES) or not all(number.strip().isdecimal() for number in numbers):
        raise click.BadParameter(f"{text!r} is not three ports such as 9001,9002,9003", param_hint="--ports")
    return dict(zip(VENUES, map(int, numbers), strict=True))


async def _run(seed: int, port_file: Path | None, ports: dict[str, int], parent_pid: int | None) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    behaviour = Behaviour(disconnect_seconds=_DISCONNECT_SECONDS, seed=seed)
    try:
        async with serve(behaviour=behaviour, ports=ports) as venues:
            _announce(venues.urls, port_file)
            tasks = [asyncio.create_task(live.run(venues, seed)), asyncio.create_task(stopped.wait())]
            if parent_pid is not None:
                tasks.append(asyncio.create_task(_outlive(parent_pid)))
            done, running = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in running:
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.gather(*running)
            for task in done:
                task.result()
    except OSError as error:
        named = f"ports {ports}" if ports else "free ports of 127.0.0.1"
        raise ServerError(f"cannot listen on {named}: {error.strerror}; name other --ports") from None


def _announce(urls: dict[str, str], port_file: Path | None) -> None:
    text = json.dumps(urls, indent=1)
    click.echo(text)
    if port_file is None:
        return
    # Whoever waits for the file must never read half of it.
    partial = port_file.with_name(port_file.name + ".partial")
    try:
        partial.write_text(text + "\n", encoding="utf-8")
        partial.replace(port_file)
    except OSError as error:
        raise SettingsError(f"--port-file {port_file}: cannot write it ({error.strerror}); name another") from None


async def _outlive(pid: int) -> None:
    """Return when the process is gone; its number may be reused, its start time is not."""
    try:
        parent = psutil.Process(pid)
        while parent.is_running() and parent.status() != psutil.STATUS_ZOMBIE:  # noqa: ASYNC110 - nobody sets an event
            await asyncio.sleep(1)
    except psutil.NoSuchProcess:
        return


if __name__ == "__main__":
    command()

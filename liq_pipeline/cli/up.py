"""``liq up``: everything, started in order, looked after, and stopped in order."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType

import click

from liq_pipeline.cli.line import Line
from liq_pipeline.embedded.account import prepare_home
from liq_pipeline.embedded.home import Home
from liq_pipeline.errors import SettingsError
from liq_pipeline.settings import Settings, load_settings
from liq_pipeline.simulate.catalogue import VENUES


@click.command("up")
@click.option(
    "--demo", is_flag=True, help="Collect from simulated exchanges into a home of its own; needs no internet."
)
@click.option("--port", default=3000, show_default=True, type=click.IntRange(1, 65535), help="Port of the Dagster UI.")
def command(demo: bool, port: int) -> None:
    """Start everything and keep it running: servers, schema, Dagster, the collector. Ctrl-C stops it all.

    PostgreSQL and Redis are started for you, with their data in LIQ_HOME, unless LIQ_DATABASE_URL and
    LIQ_REDIS_URL name servers of yours. A second start finds the data of the first.
    """
    settings = load_settings()
    if demo:
        settings = _demo(settings)
    home = Home.prepare(settings.home)
    with home.lock("liq up", f"http://127.0.0.1:{port}"), _until_interrupted():
        if demo:
            home.mark_demo()
        elif home.is_demo:
            raise SettingsError(
                f"LIQ_HOME={home.path} is a demo's: real data would mix with invented; "
                f"run `LIQ_HOME={home.path.parent} liq up --demo`, or set another LIQ_HOME"
            )
        Line(settings, home, port, demo).run()


def _demo(settings: Settings) -> Settings:
    """The settings of the demo home; raises SettingsError for servers, venues or files of the real world."""
    configured = [
        *(["LIQ_DATABASE_URL"] if settings.database_url else []),
        *(["LIQ_REDIS_URL"] if settings.redis_url else []),
        *(["LIQ_ARCHIVE_DIR"] if settings.archive_dir else []),
        *(["LIQ_REPORT_DIR"] if settings.report_dir else []),
        *(f"LIQ_WS_URL_{_variable(feed)}" for feed in settings.ws_urls),
        *(f"LIQ_REST_URL_{_variable(feed)}" for feed in settings.rest_urls),
    ]
    if configured:
        raise SettingsError(
            f"--demo uses servers, exchanges and data of its own, but {', '.join(configured)} is set: "
            "unset it, or run `liq up` without --demo"
        )
    if real := [feed for feed in settings.exchanges if feed not in VENUES]:
        raise SettingsError(
            f"--demo simulates {', '.join(VENUES)}, not {', '.join(real)}: leave it out of LIQ_EXCHANGES, "
            "or run `liq up` without --demo"
        )
    prepare_home(settings.home)
    return settings.model_copy(update={"home": settings.home / "demo"})


def _variable(feed: str) -> str:
    return feed.upper().replace(":", "_")


class _Interrupted(BaseException):
    """A signal asked to stop; not an Exception, so that nothing on the way mistakes it for a failure."""


@contextlib.contextmanager
def _until_interrupted() -> Iterator[None]:
    """End the block at the first SIGINT, SIGTERM or SIGHUP; further ones change nothing, stopping is bounded."""

    def handle(number: int, frame: FrameType | None) -> None:
        for caught in numbers:
            signal.signal(caught, lambda number, frame: None)
        raise _Interrupted

    # A shell's background job ignores SIGINT without anybody meaning it; `nohup` ignores SIGHUP on purpose.
    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield
    except _Interrupted:
        pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

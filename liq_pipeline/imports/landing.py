"""Files of a known format become rows of ``liquidations_raw``, once, however often they are imported.

One process reads files as blocks of lines, others parse them, and the first lands them in order, a transaction each:
memory holds a few blocks, whatever the size of the files. An import that was interrupted goes on where it was.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple, TypeAlias

from liq_pipeline.errors import ImportRefusedError
from liq_pipeline.imports import head
from liq_pipeline.imports.blocks import Block, read_blocks
from liq_pipeline.imports.file_import import FileImport
from liq_pipeline.imports.ledger import File
from liq_pipeline.imports.reading import Parser, Reading
from liq_pipeline.imports.record import Format, Reader
from liq_pipeline.imports.report import ImportReport
from liq_pipeline.imports.sources import Source
from liq_pipeline.imports.window import Window
from liq_pipeline.imports.workers import Work, Workers, work_force
from liq_pipeline.liquidation import Market
from liq_pipeline.settings import Settings
from liq_pipeline.warehouse import contract_sizes, migrate
from liq_pipeline.warehouse.connection import LOADER, Connection, connect

_SMALL: Final = 4 * 2**20
"""Bytes on disk that are imported sooner than other processes have started."""
Progress: TypeAlias = Callable[[int], None]


def import_sources(
    sources: Sequence[Source],
    exchange: str,
    market: Market,
    format_: Format,
    *,
    contract: str | None = None,
    settings: Settings,
    database_url: str,
    now: int,
    progress: Progress = lambda done: None,
    dry_run: bool = False,
    workers: int | None = None,
) -> Iterator[ImportReport]:
    """Land the rows of files, and give a report of each.

    ``contract`` is for formats whose rows do not name theirs, where the file's name does not either. ``now`` is UTC
    milliseconds; ``progress`` is called with the bytes on disk that are done, of all files. ``dry_run`` lands nothing
    and reports the same. ``workers`` processes parse, by default one a core, or none for small files.

    Raises ImportRefusedError, with nothing landed, if one of the files holds nothing of this format, exchange and
    market. Rows that may not be landed are counted in the report; all other rows are landed. A file that turns out
    damaged further on is landed up to there, and its report says so.
    """
    migrate.check(database_url)
    with connect(database_url, autocommit=True, role=LOADER) as connection:
        reading = Reading(
            format_.name, exchange, market, contract_sizes.known(connection, exchange), Window(settings, now)
        )
        parser = Parser(reading)
        files = [
            File(source, format_.name, exchange, market, _contract(source, format_, contract)) for source in sources
        ]
        for file in files:
            file.source.verify()
            head.check(file, _reader(parser, file))
        if workers is None:
            small = sum(source.size for source in sources) < _SMALL
            workers = 0 if small else len(os.sched_getaffinity(0))
        with work_force(reading, workers) as pool:
            yield from _run(files, connection, parser, pool, dry_run, progress)


def _contract(source: Source, format_: Format, given: str | None) -> str | None:
    """The contract of a file's rows where they do not name it."""
    if format_.contract_in is None:
        if given is not None:
            raise ImportRefusedError(f"rows of {format_.name} name their contract; leave --contract {given} away")
        return None
    named = format_.contract_in(source.name)
    if named is None and given is None:
        head.refuse_other(source, format_.name)
        raise ImportRefusedError(
            f"{source.name}: rows of {format_.name} do not name their contract, nor does this file's name; "
            "use --contract, or the name the file was published under"
        )
    if named is not None and given is not None and named != given:
        raise ImportRefusedError(f"{source.name} holds {named} by its name, not --contract {given}; leave that away")
    return named or given


def _reader(parser: Parser, file: File) -> Reader:
    try:
        return parser.reader(file.contract)
    except ImportRefusedError as error:
        raise ImportRefusedError(f"{file.source.name}: {error}") from None


class _Step(NamedTuple):
    """A block of a file that is being prepared, or the file's end without one."""

    import_: FileImport
    done: int
    """Bytes on disk of all files."""
    block: Block | None = None
    work: Work | None = None


def _run(
    files: Sequence[File], connection: Connection, parser: Parser, pool: Workers, dry_run: bool, progress: Progress
) -> Iterator[ImportReport]:
    """Prepare blocks of files at the same time, and land them one after another."""
    ahead: deque[_Step] = deque()

    def finish() -> Iterator[ImportReport]:
        import_, done, block, work = ahead.popleft()
        if block and work:
            import_.land(block, work.result())
        progress(done)
        if block is None:
            import_.end()
            yield import_.report

    for step in _steps(files, connection, parser, pool, dry_run):
        ahead.append(step)
        if len(ahead) > pool.ahead:
            yield from finish()
    while ahead:
        yield from finish()


def _steps(
    files: Sequence[File], connection: Connection, parser: Parser, pool: Workers, dry_run: bool
) -> Iterator[_Step]:
    done = 0
    for file in files:
        import_ = FileImport(connection, file, parser, dry_run=dry_run)
        try:
            with file.source.open() as opened:
                for block in read_blocks(opened.file, import_.begin()):
                    yield _Step(import_, done + opened.consumed(), block, pool.prepare(file.contract, block))
        except ImportRefusedError as error:
            import_.report.failure = str(error)
        done += file.source.size
        yield _Step(import_, done)

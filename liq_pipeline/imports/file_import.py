"""One file on its way into ``liquidations_raw``: its blocks, a transaction each, and the account of them."""

from __future__ import annotations

from collections import Counter
from typing import Final

from liq_pipeline.exchanges.base import Rejection
from liq_pipeline.imports import ledger, rejections
from liq_pipeline.imports.blocks import Block, Position
from liq_pipeline.imports.ledger import Done, File
from liq_pipeline.imports.reading import Batch, Parser, Prepared, Rejected
from liq_pipeline.imports.report import ImportReport, RejectedLine
from liq_pipeline.imports.window import day_of
from liq_pipeline.warehouse.connection import Connection
from liq_pipeline.warehouse.landing import Refused, count_new, insert_prepared

_SHOWN: Final = 20


class FileImport:
    """Lands the blocks of a file in their order through a connection in autocommit; a dry run only counts."""

    def __init__(self, connection: Connection, file: File, parser: Parser, *, dry_run: bool) -> None:
        self.report = ImportReport(file.source.name)
        self._connection = connection
        self._file = file
        self._parser = parser
        self._dry_run = dry_run
        self._key = ""
        self._before = Done()
        self._position = Position()

    def begin(self) -> Position:
        """Where to begin: after what an interrupted import of the same content landed."""
        self._key = self._file.key()
        self._before = ledger.interrupted(self._connection, self._key)
        self._position = self._before.position
        self.report.touched |= self._before.days
        self.report.resumed_after = self._position.lines
        return self._position

    def land(self, block: Block, prepared: Prepared) -> None:
        """Land a block, what could not be understood of it, and how far that is, in one transaction."""
        account = prepared.account
        self.report.lines += account.lines
        self.report.other += account.other
        self.report.elsewhere += account.elsewhere
        self.report.refused += account.refused
        self.report.refusals |= account.refusals
        self._position = Position(block.end, block.first + block.lines - 1)
        with self._connection.transaction():
            rejected = list(account.rejected)
            for batch in prepared.batches:
                rejected += self._insert(block, batch)
            self._reject(rejected)
            if not self._dry_run:
                rejections.record(self._connection, self._file, rejected)
                self._note(complete=False)

    def end(self) -> None:
        """Note that all of the file is landed, if it is."""
        if not (self._dry_run or self.report.failure):
            self._note(complete=True)

    def _insert(self, block: Block, batch: Batch) -> list[Rejected]:
        """Land rows; those that cannot be one."""
        land = count_new if self._dry_run else insert_prepared
        inserted = land(self._connection, batch.rows)
        report = self.report
        report.new += inserted.new
        report.days += inserted.days
        report.touched.update(contract_day.day for contract_day in batch.rows.contract_days)
        report.duplicate += inserted.duplicate + batch.repeats.total()
        for position, reason in inserted.conflicts:
            # What repeats a row shares its fate.
            report.duplicate -= batch.repeats[position]
            report.refused[day_of(batch.times[position])] += 1 + batch.repeats[position]
            report.refusals.add(reason)
        for position, _ in inserted.refused:
            report.duplicate -= batch.repeats[position]
            report.rejected += batch.repeats[position]
        return self._explained(block, batch, inserted.refused)

    def _explained(self, block: Block, batch: Batch, refused: list[Refused]) -> list[Rejected]:
        if not refused:
            return []
        # Rows travel without the entries they were made of.
        piece = self._parser.read(self._file.contract, block)
        entries = (piece.matched if batch.matched else piece.unmatched).entries
        return [
            Rejected(batch.lines[position], entry.received_at, Rejection(reason, entry.raw), entry.liquidation.ordinal)
            for position, reason in refused
            for entry in (entries[position],)
        ]

    def _reject(self, rejected: list[Rejected]) -> None:
        self.report.rejected += len(rejected)
        room = max(0, _SHOWN - len(self.report.first_rejected))
        self.report.first_rejected += [
            RejectedLine(item.line, item.rejection.reason) for item in sorted(rejected)[:room]
        ]

    def _note(self, *, complete: bool) -> None:
        counts = dict(Counter(self._before.counts) + Counter(self.report.counts()))
        done = Done(self._position, counts, frozenset(self.report.touched))
        ledger.record(self._connection, self._key, self._file, done, complete=complete)

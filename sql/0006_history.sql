-- Bringing history in: which files were read and how far, which days came from a source that cannot be matched with
-- others, how large contracts were when, and what is needed to read a rejected frame again.

CREATE TABLE import_files (
    file_key     text        PRIMARY KEY,
    path         text        NOT NULL,
    format       text        NOT NULL,
    exchange     text        NOT NULL,
    market       text        NOT NULL,
    contract     text,
    size_bytes   bigint      NOT NULL,
    done_bytes   bigint      NOT NULL DEFAULT 0,
    done_lines   bigint      NOT NULL DEFAULT 0,
    counts       jsonb       NOT NULL DEFAULT '{}',
    started_at   timestamptz NOT NULL DEFAULT now(),
    completed_at timestamptz
);

COMMENT ON TABLE import_files IS 'Files brought in by liq import, and how far: an import that was interrupted goes on from done_bytes.';
COMMENT ON COLUMN import_files.file_key IS 'Digest of the file''s content and of what it was read as (format, exchange, market, contract, parser version).';
COMMENT ON COLUMN import_files.path IS 'Where the file was when it was last imported.';
COMMENT ON COLUMN import_files.contract IS 'The contract, for formats whose rows do not name it; null otherwise.';
COMMENT ON COLUMN import_files.size_bytes IS 'Bytes of the file as it lies on disk, compressed or not.';
COMMENT ON COLUMN import_files.done_bytes IS 'Bytes of uncompressed text whose rows are landed, raised in the transaction that landed them.';
COMMENT ON COLUMN import_files.counts IS 'What became of the rows so far: new, duplicate, rejected, refused and so on.';
COMMENT ON COLUMN import_files.completed_at IS 'When the last row was landed; null while the import is not complete.';

CREATE TABLE unmatched_days (
    exchange text NOT NULL,
    contract text NOT NULL,
    day      date NOT NULL,
    source   text NOT NULL,
    PRIMARY KEY (exchange, contract, day)
);

COMMENT ON TABLE unmatched_days IS 'Contracts and UTC days whose rows came from a source that lacks a field of the identity: no other source may land rows there, as the same liquidation would count twice.';

CREATE TABLE contract_sizes (
    exchange text        NOT NULL,
    contract text        NOT NULL,
    market   text        NOT NULL CHECK (market IN ('linear', 'inverse')),
    size     numeric     NOT NULL CHECK (size > 0),
    since    timestamptz NOT NULL,
    PRIMARY KEY (exchange, contract, since)
);

COMMENT ON TABLE contract_sizes IS 'Sizes of contracts as venues listed them, from when on; on top of the dated snapshots in the package.';
COMMENT ON COLUMN contract_sizes.size IS 'Coins of one linear contract, US dollars of one inverse contract.';
COMMENT ON COLUMN contract_sizes.since IS 'When the venue was first seen to list this size.';

ALTER TABLE frames_rejected
    ADD COLUMN source   text NOT NULL DEFAULT 'stream',
    ADD COLUMN market   text,
    ADD COLUMN contract text;

COMMENT ON COLUMN frames_rejected.source IS 'How it came in: stream, replay, simulated or import:<format>; liq reparse reads it again the same way.';
COMMENT ON COLUMN frames_rejected.market IS 'linear or inverse, where the source says it; null for frames of a feed, whose contracts tell.';
COMMENT ON COLUMN frames_rejected.contract IS 'The contract, for formats whose rows do not name it; null otherwise.';

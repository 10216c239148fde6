-- The folder LIQ_ARCHIVE_DIR: which of its files need not be looked into again.

CREATE TABLE archive_files (
    path        text   PRIMARY KEY,
    size_bytes  bigint NOT NULL,
    modified_ns bigint NOT NULL,
    imported_at timestamptz,
    refusal     text,
    CHECK ((imported_at IS NULL) <> (refusal IS NULL))
);

COMMENT ON TABLE archive_files IS 'Files of LIQ_ARCHIVE_DIR that were imported or refused, as they were then; one whose size or time has changed since is imported again.';
COMMENT ON COLUMN archive_files.path IS 'Relative to LIQ_ARCHIVE_DIR.';
COMMENT ON COLUMN archive_files.modified_ns IS 'When the file was last modified, nanoseconds since 1970.';
COMMENT ON COLUMN archive_files.imported_at IS 'When its last row was landed; null for a file that was refused.';
COMMENT ON COLUMN archive_files.refusal IS 'Why it was refused, with the fix; null for a file that was imported.';

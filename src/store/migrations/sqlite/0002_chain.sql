-- `hash` is SHA-256 over the hash before and the bytes of `record`. The program fills it in for
-- records that were there before this column was.
ALTER TABLE records ADD COLUMN hash BLOB CHECK (length(hash) = 32);

-- An event has no answer. Both an amendment and an observation are about a decision.
ALTER TABLE records RENAME COLUMN amends TO about;
CREATE INDEX records_events ON records (time, id) WHERE answer = '';

-- What writers signed about their records: `note` is the signed text, `frontier` the right edge of
-- the Merkle tree of `size` records, to go on from.
CREATE TABLE checkpoints (
    writer   TEXT    NOT NULL,
    size     INTEGER NOT NULL,
    time     INTEGER NOT NULL, -- nanoseconds since 1970, UTC
    note     TEXT    NOT NULL,
    frontier BLOB    NOT NULL,
    PRIMARY KEY (writer, size, time)
) STRICT, WITHOUT ROWID;

-- What a search may skip. A block is 256 records of one writer in a row; `postings` says which terms
-- occur in which block. An index with a row for each record and term was measured to cost more than
-- everything else that is written.
CREATE TABLE blocks (
    id     INTEGER PRIMARY KEY,
    writer TEXT    NOT NULL,
    first  INTEGER NOT NULL,
    last   INTEGER NOT NULL,
    oldest INTEGER NOT NULL,
    newest INTEGER NOT NULL,
    UNIQUE (writer, last)
) STRICT;
CREATE INDEX blocks_newest ON blocks (newest);
CREATE TABLE terms (
    id   INTEGER PRIMARY KEY,
    term TEXT    NOT NULL UNIQUE
) STRICT;
CREATE TABLE postings (
    term  INTEGER NOT NULL,
    block INTEGER NOT NULL,
    PRIMARY KEY (term, block)
) STRICT, WITHOUT ROWID;
DROP TABLE images;

-- Events of those who do not write themselves, until a writer takes them up.
CREATE TABLE inbox (
    id    TEXT NOT NULL PRIMARY KEY,
    event TEXT NOT NULL
) STRICT;

-- How far each target of a forwarder has each writer's records.
CREATE TABLE cursors (
    target   TEXT    NOT NULL,
    writer   TEXT    NOT NULL,
    sequence INTEGER NOT NULL,
    PRIMARY KEY (target, writer)
) STRICT, WITHOUT ROWID;

-- One entry a row. `record` is the text that was serialised once; the other columns repeat parts of it
-- for the filters. Text is compared byte by byte, as SQLite does. `hash` is SHA-256 over the hash
-- before and the bytes of `record`. An event has no answer. Both an amendment and an observation are
-- about a decision.
CREATE TABLE records (
    writer    TEXT COLLATE "C" NOT NULL,
    sequence  BIGINT           NOT NULL CHECK (sequence > 0),
    id        TEXT COLLATE "C" NOT NULL UNIQUE,
    time      BIGINT           NOT NULL, -- nanoseconds since 1970, UTC
    username  TEXT COLLATE "C" NOT NULL,
    namespace TEXT COLLATE "C" NOT NULL,
    pod       TEXT COLLATE "C" NOT NULL,
    answer    TEXT COLLATE "C" NOT NULL,
    about     TEXT COLLATE "C",
    record    TEXT COLLATE "C" NOT NULL,
    hash      BYTEA            NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (writer, sequence)
);
-- The columns that filters ask for ride along, so that a filter reads this index alone.
CREATE INDEX records_newest ON records (time, id) INCLUDE (username, namespace, pod, answer);
CREATE INDEX records_refused ON records (time, id) WHERE answer = 'Refused';
CREATE INDEX records_events ON records (time, id) WHERE answer = '';
CREATE INDEX records_about ON records (about) WHERE about IS NOT NULL;
-- For the rate of one user, asked on the way to an answer.
CREATE INDEX records_user ON records (username, time);

-- Who writes here, and when it last made sure that it can.
CREATE TABLE writers (
    writer TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    seen   BIGINT           NOT NULL -- nanoseconds since 1970, UTC
);

-- What writers signed about their records: `note` is the signed text, `frontier` the right edge of
-- the Merkle tree of `size` records, to go on from.
CREATE TABLE checkpoints (
    writer   TEXT COLLATE "C" NOT NULL,
    size     BIGINT           NOT NULL,
    time     BIGINT           NOT NULL,
    note     TEXT             NOT NULL,
    frontier BYTEA            NOT NULL,
    PRIMARY KEY (writer, size, time)
);

-- What a search may skip. A block is 256 records of one writer in a row; `postings` says which terms
-- occur in which block.
CREATE TABLE blocks (
    id     BIGINT           GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    writer TEXT COLLATE "C" NOT NULL,
    first  BIGINT           NOT NULL,
    last   BIGINT           NOT NULL,
    oldest BIGINT           NOT NULL,
    newest BIGINT           NOT NULL,
    UNIQUE (writer, last)
);
CREATE INDEX blocks_newest ON blocks (newest);
CREATE TABLE terms (
    id   BIGINT           GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    term TEXT COLLATE "C" NOT NULL UNIQUE
);
CREATE TABLE postings (
    term  BIGINT NOT NULL,
    block BIGINT NOT NULL,
    PRIMARY KEY (term, block)
);

-- Events of those who do not write themselves, until a writer takes them up.
CREATE TABLE inbox (
    id    TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    event TEXT             NOT NULL
);

-- How far each target of a forwarder has each writer's records.
CREATE TABLE cursors (
    target   TEXT COLLATE "C" NOT NULL,
    writer   TEXT COLLATE "C" NOT NULL,
    sequence BIGINT           NOT NULL,
    PRIMARY KEY (target, writer)
);

-- No index by id any more. An id begins with the time at which it was made, so the index of the
-- listing finds it; with one of its own, each record had two or three pages more to write. SQLite
-- drops the index of a UNIQUE column only with its table.
CREATE TABLE records_3 (
    writer    TEXT    NOT NULL,
    sequence  INTEGER NOT NULL CHECK (sequence > 0),
    id        TEXT    NOT NULL,
    time      INTEGER NOT NULL, -- nanoseconds since 1970, UTC
    username  TEXT    NOT NULL,
    namespace TEXT    NOT NULL,
    pod       TEXT    NOT NULL,
    answer    TEXT    NOT NULL,
    about     TEXT,
    record    TEXT    NOT NULL,
    hash      BLOB    CHECK (length(hash) = 32),
    PRIMARY KEY (writer, sequence)
) STRICT;
INSERT INTO records_3
    SELECT writer, sequence, id, time, username, namespace, pod, answer, about, record, hash
    FROM records ORDER BY rowid;
DROP TABLE records;
ALTER TABLE records_3 RENAME TO records;
CREATE INDEX records_newest ON records (time, id, username, namespace, pod, answer);
CREATE INDEX records_refused ON records (time, id) WHERE answer = 'Refused';
CREATE INDEX records_events ON records (time, id) WHERE answer = '';
CREATE INDEX records_about ON records (about) WHERE about IS NOT NULL;

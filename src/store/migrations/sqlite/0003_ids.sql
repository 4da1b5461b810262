-- No index by id any more. An id begins with the time at which it was made, so the index of the
-- listing finds it; with one of its own, each commit had two or three pages more to write. SQLite
-- drops the index of a UNIQUE column only with its table.
--
-- Nothing here may need memory for each record. Indexes made after the records would be sorted in
-- memory, and pages that the old ones let go of would be kept there, to be taken back: so the new
-- ones are there first, and the old ones go last. No index can be renamed, hence the names.
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
CREATE INDEX records_newest_3 ON records_3 (time, id, username, namespace, pod, answer);
CREATE INDEX records_refused_3 ON records_3 (time, id) WHERE answer = 'Refused';
CREATE INDEX records_events_3 ON records_3 (time, id) WHERE answer = '';
CREATE INDEX records_about_3 ON records_3 (about) WHERE about IS NOT NULL;
INSERT INTO records_3
    SELECT writer, sequence, id, time, username, namespace, pod, answer, about, record, hash
    FROM records ORDER BY rowid;
DROP TABLE records;
ALTER TABLE records_3 RENAME TO records;

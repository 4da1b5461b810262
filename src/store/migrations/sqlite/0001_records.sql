-- "Post" in ASCII: how this program, and `file`, know a ledger from any other SQLite database.
PRAGMA application_id = 0x506f7374;

-- One decision a row. `record` is the text that was serialised once; the other columns repeat parts
-- of it for the filters.
CREATE TABLE records (
    writer    TEXT    NOT NULL,
    sequence  INTEGER NOT NULL CHECK (sequence > 0),
    id        TEXT    NOT NULL UNIQUE,
    time      INTEGER NOT NULL, -- nanoseconds since 1970, UTC
    username  TEXT    NOT NULL,
    namespace TEXT    NOT NULL,
    pod       TEXT    NOT NULL,
    answer    TEXT    NOT NULL,
    amends    TEXT,
    record    TEXT    NOT NULL,
    PRIMARY KEY (writer, sequence)
) STRICT;

-- The listing's order. The columns that filters ask for ride along, so that a filter reads this
-- index alone, newest first, and no other row than those it shows. An index for each of them would
-- be read faster, but it would be written in a random place by every record: measured, two of them
-- took three times the CPU of all the rest.
CREATE INDEX records_newest ON records (time, id, username, namespace, pod, answer);

-- Refusals are the few that are looked for most.
CREATE INDEX records_refused ON records (time, id) WHERE answer = 'Refused';

CREATE INDEX records_amending ON records (amends) WHERE amends IS NOT NULL;

-- Every name of every injected image, as asked and as parsed.
CREATE TABLE images (
    writer   TEXT    NOT NULL,
    sequence INTEGER NOT NULL,
    image    TEXT    NOT NULL,
    PRIMARY KEY (writer, sequence, image)
) STRICT, WITHOUT ROWID;

-- Who writes here, and when it last made sure that it can.
CREATE TABLE writers (
    writer TEXT    NOT NULL PRIMARY KEY,
    seen   INTEGER NOT NULL -- nanoseconds since 1970, UTC
) STRICT;

-- The ledger: claims, and what is kept beside them. The package comment says what each column means.

PRAGMA application_id = 0x616d6175; -- "amau"

-- What the many claims of a period share.
CREATE TABLE scope (
  id     INTEGER PRIMARY KEY,
  org    TEXT NOT NULL,
  period TEXT NOT NULL,
  meter  TEXT NOT NULL,
  UNIQUE (org, period, meter)
);

-- The event types and sources that evidence names.
CREATE TABLE event_type (
  id   INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE
);

CREATE TABLE source (
  id   INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE
);

-- One row for each claim. The primary key is what makes a claim unique, and the order in which claims are listed.
CREATE TABLE claim (
  scope     INTEGER NOT NULL REFERENCES scope (id),
  user      TEXT    NOT NULL,
  source    INTEGER NOT NULL REFERENCES source (id),
  type      INTEGER NOT NULL REFERENCES event_type (id),
  published         NOT NULL,
  recorded          NOT NULL,
  uuid      TEXT    NOT NULL,
  PRIMARY KEY (scope, user)
) WITHOUT ROWID;

-- The same for people.
CREATE VIEW claims AS
SELECT scope.org, scope.period, scope.meter, claim.user,
       event_type.name AS type, claim.uuid,
       CASE typeof(claim.published) WHEN 'integer'
            THEN strftime('%Y-%m-%dT%H:%M:%fZ', claim.published / 1000.0, 'unixepoch')
            ELSE claim.published END AS published,
       source.name AS source,
       CASE typeof(claim.recorded) WHEN 'integer'
            THEN strftime('%Y-%m-%dT%H:%M:%fZ', claim.recorded / 1000.0, 'unixepoch')
            ELSE claim.recorded END AS recorded
FROM claim
JOIN scope ON scope.id = claim.scope
JOIN event_type ON event_type.id = claim.type
JOIN source ON source.id = claim.source;

-- What a source brought on a day.
CREATE TABLE tally (
  org        TEXT    NOT NULL,
  source     TEXT    NOT NULL,
  day        TEXT    NOT NULL,
  events     INTEGER NOT NULL,
  counted    INTEGER NOT NULL,
  no_user    INTEGER NOT NULL,
  new_claims INTEGER NOT NULL,
  last_event TEXT    NOT NULL,
  PRIMARY KEY (org, source, day)
) WITHOUT ROWID;

-- Small named facts: recorded periods, closes, cursors.
CREATE TABLE note (
  org     TEXT    NOT NULL,
  name    TEXT    NOT NULL,
  value   BLOB    NOT NULL,
  version INTEGER NOT NULL,
  PRIMARY KEY (org, name)
);

-- Facts about the ledger as a whole: its pseudonym key.
CREATE TABLE setting (
  name  TEXT PRIMARY KEY,
  value TEXT NOT NULL
);

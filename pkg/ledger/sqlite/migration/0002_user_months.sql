-- One row for each user and month, with all that was claimed in it, instead of one row for each
-- claim: a third of the rows, and what one user's events bring lies on one page.

DROP VIEW claims;
ALTER TABLE scope RENAME TO old_scope;

-- The meters. Each has a bit, id % 32, in a block of them, id / 32.
CREATE TABLE meter (
  id   INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE
);

-- What the many users of a month share.
CREATE TABLE scope (
  id     INTEGER PRIMARY KEY,
  org    TEXT    NOT NULL,
  period TEXT    NOT NULL,
  block  INTEGER NOT NULL,
  UNIQUE (org, period, block)
);

-- The primary key is what makes a user of a month unique, and a bit of meters what makes a claim
-- unique: it is set once, in the same transaction that writes the claim's evidence. The evidence
-- of the claims in first stands in columns, that of later events in more, which is NULL or a JSON
-- list of [meters, source, type, published, recorded, uuid].
CREATE TABLE user_month (
  scope     INTEGER NOT NULL REFERENCES scope (id),
  user      TEXT    NOT NULL,
  meters    INTEGER NOT NULL,
  first     INTEGER NOT NULL,
  source    INTEGER NOT NULL REFERENCES source (id),
  type      INTEGER NOT NULL REFERENCES event_type (id),
  published         NOT NULL,
  recorded          NOT NULL,
  uuid      TEXT    NOT NULL,
  more      TEXT,
  PRIMARY KEY (scope, user)
) WITHOUT ROWID;

INSERT INTO meter (name) SELECT DISTINCT meter FROM old_scope ORDER BY meter <> 'total', meter;

INSERT INTO scope (org, period, block)
SELECT DISTINCT org, period, meter.id / 32 FROM old_scope JOIN meter ON meter.name = old_scope.meter;

-- First the claims on total, which every event that counts makes; then the others, beside them.
INSERT INTO user_month (scope, user, meters, first, source, type, published, recorded, uuid)
SELECT scope.id, user, 1 << meter.id % 32, 1 << meter.id % 32, source, type, published, recorded, uuid
FROM meter CROSS JOIN old_scope ON old_scope.meter = meter.name
CROSS JOIN scope ON scope.org = old_scope.org AND scope.period = old_scope.period AND scope.block = meter.id / 32
CROSS JOIN claim ON claim.scope = old_scope.id
WHERE meter.name = 'total';

INSERT INTO user_month (scope, user, meters, first, source, type, published, recorded, uuid)
SELECT scope.id, user, 1 << meter.id % 32, 1 << meter.id % 32, source, type, published, recorded, uuid
FROM meter CROSS JOIN old_scope ON old_scope.meter = meter.name
CROSS JOIN scope ON scope.org = old_scope.org AND scope.period = old_scope.period AND scope.block = meter.id / 32
CROSS JOIN claim ON claim.scope = old_scope.id
WHERE meter.name <> 'total'
ON CONFLICT (scope, user) DO UPDATE SET
  meters = user_month.meters | excluded.meters,
  first = CASE
    WHEN (user_month.source, user_month.type, user_month.published, user_month.recorded, user_month.uuid)
       = (excluded.source, excluded.type, excluded.published, excluded.recorded, excluded.uuid)
    THEN user_month.first | excluded.first ELSE user_month.first END,
  more = CASE
    WHEN (user_month.source, user_month.type, user_month.published, user_month.recorded, user_month.uuid)
       = (excluded.source, excluded.type, excluded.published, excluded.recorded, excluded.uuid)
    THEN user_month.more ELSE json_insert(coalesce(user_month.more, '[]'), '$[#]', json_array(
      excluded.meters, excluded.source, excluded.type, excluded.published, excluded.recorded, excluded.uuid)) END;

DROP TABLE claim;
DROP TABLE old_scope;

-- One row for each claim, for people: those that the first event of the month made, then those of others.
CREATE VIEW claims AS
SELECT scope.org, scope.period, meter.name AS meter, user_month.user, event_type.name AS type, user_month.uuid AS uuid,
       CASE typeof(user_month.published) WHEN 'integer'
            THEN strftime('%Y-%m-%dT%H:%M:%fZ', user_month.published / 1000.0, 'unixepoch')
            ELSE user_month.published END AS published,
       source.name AS source,
       CASE typeof(user_month.recorded) WHEN 'integer'
            THEN strftime('%Y-%m-%dT%H:%M:%fZ', user_month.recorded / 1000.0, 'unixepoch')
            ELSE user_month.recorded END AS recorded
FROM scope
CROSS JOIN meter ON meter.id / 32 = scope.block
CROSS JOIN user_month ON user_month.scope = scope.id AND user_month.first >> (meter.id % 32) & 1
JOIN event_type ON event_type.id = user_month.type
JOIN source ON source.id = user_month.source
UNION ALL
SELECT scope.org, scope.period, meter.name AS meter, user_month.user, event_type.name AS type, json_extract(later.value, '$[5]') AS uuid,
       CASE typeof(json_extract(later.value, '$[3]')) WHEN 'integer'
            THEN strftime('%Y-%m-%dT%H:%M:%fZ', json_extract(later.value, '$[3]') / 1000.0, 'unixepoch')
            ELSE json_extract(later.value, '$[3]') END AS published,
       source.name AS source,
       CASE typeof(json_extract(later.value, '$[4]')) WHEN 'integer'
            THEN strftime('%Y-%m-%dT%H:%M:%fZ', json_extract(later.value, '$[4]') / 1000.0, 'unixepoch')
            ELSE json_extract(later.value, '$[4]') END AS recorded
FROM scope
CROSS JOIN meter ON meter.id / 32 = scope.block
CROSS JOIN user_month ON user_month.scope = scope.id AND (user_month.meters & ~user_month.first) >> (meter.id % 32) & 1
CROSS JOIN json_each(user_month.more) AS later ON json_extract(later.value, '$[0]') >> (meter.id % 32) & 1
JOIN event_type ON event_type.id = json_extract(later.value, '$[2]')
JOIN source ON source.id = json_extract(later.value, '$[1]');

// Package sqlite keeps a ledger in one SQLite file, for one machine: [Open] it to write,
// [OpenReadOnly] to report. Several processes may use the same file at once, if it lies on a
// local disk.
//
// # Durability
//
// The file is in WAL mode with synchronous=FULL: what [Ledger.Claim] and [Ledger.PutNote]
// acknowledged has been synced to the disk and survives a killed process and a power failure.
// Callers that write at the same time share one transaction and one sync (group commit), so a
// busy receiver's cost is per commit, not per delivery. Tallies are written within a tenth of a
// second.
//
// What a commit adds to the log goes there in one write, or one for each 29 pages, instead of two for each page: the
// connection that writes has a VFS of its own for that (vfs.go, logtail.go). The files are those of SQLite all the same.
//
// # Reading the file
//
// Anyone with the sqlite3 tool can read the ledger, also while it is written:
//
//	sqlite3 -readonly amau.db "SELECT period, meter, count(*) FROM claims GROUP BY 1, 2"
//
// The view claims has a row for each claim:
//
//	org        name of the Okta org
//	period     start of the period in UTC, 2026-01-15T00:00:00Z
//	meter      session, sso, api, total …
//	user       user key: 22 characters, a keyed hash of the Okta user id
//	type       evidence: the type of the event that first made the claim
//	uuid       its uuid
//	published  when it happened, RFC 3339 in UTC
//	source     how it came: hook, stream, pull, import
//	recorded   when it was recorded, RFC 3339 in UTC
//
// Behind it the table user_month has a row for each user of a month, with all that was claimed: a
// third of the rows, and what one user's events bring lies on one page. Scope is the id of a row
// in the table scope (org, period, block); type, source and the meters have ids in event_type, source
// and meter. Published and recorded are milliseconds since 1970, or RFC 3339 text where that would lose
// something.
//
//	meters     the meters that are claimed: bit id % 32 of those whose id / 32 is the scope's block
//	first      those of them that the user's first event claimed; type … uuid are its evidence
//	more       what later events claimed: a JSON list of [meters, source, type, published, recorded, uuid]
//
// Its primary key (scope, user) is what makes a user of a month unique, and a claim its bit, which is
// set in the transaction that writes its evidence.
//
//	tally      what a source brought on a day (UTC): events, counted, no_user, new_claims, last_event
//	note       named facts of an org: recorded periods, closes, cursors; version counts the writes
//	setting    facts about the ledger; pseudonym_key is secret (hence the file's mode 0600)
//	migration  the steps that made the schema, with the time of each
//
// Never edit a ledger by hand: it is a grow-only set, and writers remember what they have seen
// in it.
package sqlite

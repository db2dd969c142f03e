// Package amau counts annual monthly active users (aMAU): the unique active users of each
// month of a contract year, added up. It holds the rules and nothing else; where events come
// from and where claims are kept is the business of other packages.
//
// # The story
//
// An [Event] is the part of one Okta LogEvent that decides. [Rules] say on which [Meter] its
// type counts, [Event.User] says for whom, a [Contract] says in which [Period]. The
// [Recorder] turns events into [Claim] values ("this user was active in this period on this
// meter") and hands them to a [Ledger], a set that only grows: writing a claim that is there
// changes nothing. So every source may send everything, in any order, any number of times, at
// the same time, and the count is the same. [BuildReport] adds up the periods of a year.
//
// # Exactness
//
// There are no counters that could drift. A count is the number of distinct claims, and
// uniqueness is enforced by the ledger's write itself. A user is known only by a [UserKey],
// a keyed hash, so that the ledger holds no personal data.
//
// The definition implemented here is Okta's public one for Customer Identity; see
// docs/counting.md for each rule with its source and for what the public texts leave open.
package amau

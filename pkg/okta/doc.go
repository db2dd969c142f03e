// Package okta reads what Okta sends and keeps only what decides about a user's month.
//
// # Formats
//
// A [Decoder] tells four kinds of JSON documents apart by their content: an event hook's
// delivery, an EventBridge envelope of Log Streaming, a page of the System Log API, and a
// single LogEvent. [ReadFile] reads files of them, of any size.
//
// # The API
//
// A [Client] asks one org: for the System Log, page by page ([Client.Log]). It keeps to a share
// of the org's rate limit, waits and tries again where that helps, and says what to do where it
// does not.
//
// # What is rejected
//
// The JSON must be well-formed (RFC 8259, nested at most 1,000 deep). Of a LogEvent only the
// members that decide are looked at, in the order in which they decide, and an event is
// rejected only when its verdict cannot be known: it is no object, it has no eventType, or its
// type counts and a member that decides next is of the wrong type, is no time, or is not
// UTF-8. What cannot count cannot be bad: nulls, absent and unknown members, numbers where
// strings are documented and anything else in irrelevant places never break an event. Of
// members that are there twice, the last one holds.
package okta

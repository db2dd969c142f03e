// Package okta reads what Okta sends and keeps only what decides about a user's month.
//
// # Formats
//
// A [Decoder] tells four kinds of JSON documents apart by their content: an event hook's
// delivery, an EventBridge envelope of Log Streaming, a page of the System Log API, and a
// single LogEvent. [Blocks] cuts files of them, of any size, into pieces that are decoded side
// by side.
//
// JSON is read by a scanner, byte by byte. Files of one LogEvent a line, without white space
// between tokens, are read 64 bytes at a time where the processor can (amd64 with AVX2); what is
// unusual or wrong in a line goes to the scanner there too, so there is one judge of what is
// rejected, and the fuzz target FuzzLines holds both ways to the same answer.
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

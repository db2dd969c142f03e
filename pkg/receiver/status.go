package receiver

import (
	"encoding/json"
	"net/http"
)

// This file alone knows statuses. Okta tries again once after a 5xx and never after a 4xx.
//
//	any, Authorization is neither secret             401
//	other methods than GET and POST                  405
//	GET with a challenge                             200 {"verification":"…"}
//	GET without one, or with one that Okta never sends  400
//	POST, all that counts is durable                 204
//	POST, what cannot be decoded is in quarantine    204, the others recorded
//	POST, not a delivery, and in quarantine          400
//	POST, too large                                  413
//	anything else: a fault of ours, or time is up    503

const (
	methodGet  = http.MethodGet
	methodPost = http.MethodPost
)

// Response is the answer to a request. The texts are fixed: nothing of a request or of an error
// is in them, except the challenge.
type Response struct {
	Status      int
	ContentType string // empty when there is no body
	Allow       string // the Allow header, of a 405 only
	Body        string
	Close       bool // the connection is of no more use: the body was not read, or the caller is a stranger
}

// Header returns the answer's headers, by their lower-case names.
func (r *Response) Header() map[string]string {
	h := map[string]string{}
	r.eachHeader(func(name, value string) { h[name] = value })
	return h
}

// eachHeader calls set with each of the answer's headers.
func (r *Response) eachHeader(set func(name, value string)) {
	set("cache-control", "no-store")
	if r.ContentType != "" {
		set("content-type", r.ContentType)
	}
	if r.Allow != "" {
		set("allow", r.Allow)
	}
}

const plain = "text/plain; charset=utf-8"

func text(status int, sentence string) Response {
	return Response{Status: status, ContentType: plain, Body: sentence + "\n"}
}

func recorded() Response { return Response{Status: http.StatusNoContent} }

func verified(challenge string) Response {
	body, err := json.Marshal(struct {
		Verification string `json:"verification"`
	}{challenge})
	if err != nil { // a string always can be written
		return unavailable()
	}
	return Response{Status: http.StatusOK, ContentType: "application/json", Body: string(body)}
}

func unauthorized() Response {
	res := text(http.StatusUnauthorized, "The Authorization header is not this hook's secret.")
	res.Close = true
	return res
}

func badMethod() Response {
	res := text(http.StatusMethodNotAllowed, "This URL answers GET and POST.")
	res.Allow, res.Close = "GET, POST", true
	return res
}

func notADelivery() Response {
	return text(http.StatusBadRequest, "This URL receives the deliveries of an Okta event hook, as JSON by POST. "+
		"Okta verifies it once by GET with the header x-okta-verification-challenge.")
}

func badChallenge() Response {
	return text(http.StatusBadRequest, "The value of x-okta-verification-challenge is longer than 1,024 characters or not of printable ASCII.")
}

func tooLarge() Response {
	res := text(http.StatusRequestEntityTooLarge, "The delivery is larger than this URL takes.")
	res.Close = true
	return res
}

func tooManyHeaders() Response {
	res := text(http.StatusRequestHeaderFieldsTooLarge, "The request has too many headers.")
	res.Close = true
	return res
}

func unavailable() Response {
	return text(http.StatusServiceUnavailable, "The delivery could not be recorded. Send it again.")
}

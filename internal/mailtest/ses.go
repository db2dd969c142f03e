package mailtest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
)

// SES stands in for Amazon SES: it keeps the mails as they were sent, which emulators do not.
type SES struct {
	URL string // for AWS_ENDPOINT_URL_SESV2

	mu    sync.Mutex
	mails []Sent
	calls int
	fault func(call int, to string) Fault
}

// Sent is a mail as SES gets it.
type Sent struct {
	From string
	To   []string
	Raw  []byte
}

// Fault is how a request fails; the zero value is none.
type Fault struct {
	Status int    // of HTTP; 0 with a Code: 400
	Code   string // of the error, like MessageRejected
	Text   string
	HangUp bool // the connection breaks instead of an answer
	Kept   bool // the mail was taken all the same
}

// NewSES starts a stand-in that ends with the test. A nil fault is none; call counts from 1.
func NewSES(t testing.TB, fault func(call int, to string) Fault) *SES {
	t.Helper()
	if fault == nil {
		fault = func(int, string) Fault { return Fault{} }
	}
	s := &SES{fault: fault}
	server := httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(server.Close)
	s.URL = server.URL
	return s
}

// Mails returns what has been sent so far, in order.
func (s *SES) Mails() []Sent {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.mails)
}

// Calls returns how often something was to be sent.
func (s *SES) Calls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls
}

func (s *SES) serve(w http.ResponseWriter, req *http.Request) {
	var in struct {
		FromEmailAddress string
		Destination      struct{ ToAddresses []string }
		Content          struct{ Raw struct{ Data []byte } }
	}
	if req.Method != http.MethodPost || req.URL.Path != "/v2/email/outbound-emails" || json.NewDecoder(req.Body).Decode(&in) != nil || len(in.Destination.ToAddresses) == 0 {
		http.Error(w, "not a mail to send", http.StatusNotFound)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	fault := s.fault(s.calls, in.Destination.ToAddresses[0])
	if fault == (Fault{}) || fault.Kept {
		s.mails = append(s.mails, Sent{in.FromEmailAddress, in.Destination.ToAddresses, in.Content.Raw.Data})
	}
	if fault.HangUp {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Type", "application/json")
	if fault.Code == "" {
		_, _ = w.Write([]byte(`{"MessageId":"x"}`))
		return
	}
	w.Header().Set("X-Amzn-Errortype", fault.Code)
	w.WriteHeader(max(fault.Status, 400))
	_ = json.NewEncoder(w).Encode(map[string]string{"message": fault.Text})
}

// EmulatedMail is what the AWS emulator keeps of a mail: no attachments.
type EmulatedMail struct {
	To      []string
	Subject string
	Text    string `json:"BodyText"`
	HTML    string `json:"BodyHtml"`
}

// Emulated returns what was sent by the SES of the AWS emulator at endpoint, in order.
func Emulated(t testing.TB, endpoint string) []EmulatedMail {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, endpoint+"/_ministack/ses/messages", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var kept struct {
		Messages map[string][]EmulatedMail // :: account -> mails
	}
	if err := json.NewDecoder(res.Body).Decode(&kept); err != nil {
		t.Fatal(err)
	}
	var mails []EmulatedMail
	for _, ofAccount := range kept.Messages {
		mails = append(mails, ofAccount...)
	}
	return mails
}

package amau_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// The users and applications of the tables below.
const (
	alice = "00ualice0000000000d7"
	bob   = "00ubob00000000000d7"
	shop  = "0oashop000000000000d7"
)

// when is an event that the rules are asked about, and what they must say.
type when struct {
	says    string
	event   amau.Event
	verdict amau.Verdict
	meter   amau.Meter
	user    string
}

// event returns an event of the type that counts for alice, changed by the options.
func event(eventType string, change ...func(*amau.Event)) amau.Event {
	e := amau.Event{UUID: "e0", Type: eventType, Result: "SUCCESS", Actor: amau.Entity{Type: "User", ID: alice}}
	for _, c := range change {
		c(&e)
	}
	return e
}

func result(r string) func(*amau.Event)  { return func(e *amau.Event) { e.Result = r } }
func grant(g string) func(*amau.Event)   { return func(e *amau.Event) { e.GrantType = g } }
func client(id string) func(*amau.Event) { return func(e *amau.Event) { e.ClientID = id } }
func actor(typ, id string) func(*amau.Event) {
	return func(e *amau.Event) { e.Actor = amau.Entity{Type: typ, ID: id} }
}

// target appends a target; targets keep the order in which they are given.
func target(typ, id string) func(*amau.Event) {
	return func(e *amau.Event) { e.Targets = append(e.Targets, amau.Entity{Type: typ, ID: id}) }
}

func (w when) counts(meter amau.Meter, user string) when {
	w.verdict, w.meter, w.user = amau.Counts, meter, user
	return w
}

func (w when) isNot(v amau.Verdict) when {
	w.verdict = v
	return w
}

func an(says string, e amau.Event) when { return when{says: says, event: e} }

const (
	sessionStart = "user.session.start"
	sso          = "user.authentication.sso"
	orgToken     = "app.oauth2.token.grant.access_token"
	idToken      = "app.oauth2.token.grant.id_token"
	apiToken     = "app.oauth2.as.token.grant.access_token"
)

func TestJudge(t *testing.T) {
	app := actor("PublicClientApp", shop)
	for _, w := range []when{
		an("a session", event(sessionStart)).counts(amau.Session, alice),
		an("a single sign-on", event(sso)).counts(amau.Session, alice),
		an("a token of the org's own server, for a user", event(orgToken, app, target("User", bob))).counts(amau.SSO, bob),
		an("a token of a custom server, for a user", event(apiToken, app, target("User", bob))).counts(amau.API, bob),
		an("a token whose user stands behind the token", event(idToken, app, target("access_token", "AT.1"), target("User", bob))).counts(amau.SSO, bob),

		an("a failed session", event(sessionStart, result("FAILURE"))).isNot(amau.NotSuccess),
		an("a preview of Okta's console, with its odd spelling", event(sessionStart, result("Success"))).isNot(amau.NotSuccess),
		an("an event without an outcome", event(sessionStart, result(""))).isNot(amau.NotSuccess),
		an("a challenge that is not answered yet", event(sessionStart, result("CHALLENGE"))).isNot(amau.NotSuccess),

		an("a machine's token", event(apiToken, grant("client_credentials"), app)).isNot(amau.ClientCredentials),
		an("a machine's token that names a user", event(apiToken, grant("client_credentials"), app, target("User", bob))).isNot(amau.ClientCredentials),
		an("a session by a grant of that name", event(sessionStart, grant("client_credentials"))).isNot(amau.ClientCredentials),
		an("a token by a code", event(orgToken, grant("authorization_code"), app, target("User", bob))).counts(amau.SSO, bob),
		an("a token by another spelling of the machine's grant", event(orgToken, grant("CLIENT_CREDENTIALS"), app, target("User", bob))).counts(amau.SSO, bob),

		an("a token for nobody", event(orgToken, app)).isNot(amau.NoUser),
		an("a session of an unknown actor", event(sessionStart, actor("User", "unknown"))).isNot(amau.NoUser),
		an("a session without an actor", event(sessionStart, actor("", ""))).isNot(amau.NoUser),

		an("a failure's type, without suffix", event("app.oauth2.token.grant")).isNot(amau.OtherType),
		an("the unsuffixed spelling of 2018", event("app.oauth2.authorize.implicit")).isNot(amau.OtherType),
		an("the end of a session", event("user.session.end")).isNot(amau.OtherType),
		an("a type in capitals", event("USER.SESSION.START")).isNot(amau.OtherType),
		an("a type that only begins like one that counts", event("user.session.start.more")).isNot(amau.OtherType),
		an("an event without a type", event("")).isNot(amau.OtherType),
	} {
		t.Run(w.says, func(t *testing.T) { w.check(t, amau.Exclusions{}) })
	}
}

func (w when) check(t *testing.T, x amau.Exclusions) {
	t.Helper()
	v, rule, user := amau.DefaultRules().Judge(&w.event, &x)
	if v != w.verdict {
		t.Fatalf("verdict %s, want %s", v, w.verdict)
	}
	if v == amau.Counts && (rule.Meter != w.meter || user != w.user || rule.Type != w.event.Type) {
		t.Fatalf("counts on %s for %s by rule %s, want %s for %s", rule.Meter, user, rule.Type, w.meter, w.user)
	}
}

func TestExclusions(t *testing.T) {
	app := actor("PublicClientApp", shop)
	x := amau.NewExclusions([]string{shop, ""}, []string{bob, ""})
	for _, w := range []when{
		an("another user", event(sessionStart)).counts(amau.Session, alice),
		an("the user, as actor", event(sessionStart, actor("User", bob))).isNot(amau.Excluded),
		an("the user, as target", event(orgToken, actor("PublicClientApp", "0oaother"), target("User", bob))).isNot(amau.Excluded),
		an("the application, as actor", event(orgToken, app, target("User", alice))).isNot(amau.Excluded),
		an("the application, as client", event(sessionStart, client(shop))).isNot(amau.Excluded),
		an("the application, as target", event(sso, target("AppInstance", shop))).isNot(amau.Excluded),
		an("the application, as a later target", event(sso, target("AppInstance", "0oaother"), target("AppInstance", shop))).isNot(amau.Excluded),
		an("an id that is excluded as an application, of a user", event(sessionStart, actor("User", shop))).counts(amau.Session, shop),
		an("an id that is excluded as an application, of a target of another type", event(sso, target("AppUser", shop))).counts(amau.Session, alice),
		an("an event that counts for nobody is not excluded but without a user", event(orgToken, app)).isNot(amau.NoUser),
		an("an application without an id, though an empty id was given", event(sso, target("AppInstance", ""))).counts(amau.Session, alice),
	} {
		t.Run(w.says, func(t *testing.T) { w.check(t, x) })
	}
}

// The rules are data; this test says what the data must be: the twelve types of the public
// definition and which of them Okta delivers to an event hook.
func TestDefaultRules(t *testing.T) {
	rules := amau.DefaultRules()
	hook, perMeter := 0, map[amau.Meter]int{}
	for _, r := range rules.All() {
		perMeter[r.Meter]++
		if r.Hook {
			hook++
		}
		if got, ok := rules.Lookup(r.Type); !ok || got != r {
			t.Errorf("Lookup(%s) = %v, %v", r.Type, got, ok)
		}
		if class := strings.HasPrefix(r.Type, "user."); class != (r.Meter == amau.Session) || class != r.Hook {
			t.Errorf("%s counts on %s, by hook: %v", r.Type, r.Meter, r.Hook)
		}
	}
	if got := fmt.Sprint(perMeter[amau.Session], perMeter[amau.SSO], perMeter[amau.API], hook, len(rules.All())); got != "2 8 2 2 12" {
		t.Errorf("session, sso, api, by hook, all = %s", got)
	}
	if got := fmt.Sprint(rules.Meters()); got != "[session sso api total]" {
		t.Errorf("meters %s", got)
	}
}

func TestParseRulesRefuses(t *testing.T) {
	const head = "event_type,meter,hook\n"
	for _, c := range []struct{ table, want string }{
		{"", "header"},
		{head, "no event type"},
		{"type,meter,hook\nuser.session.start,session,yes\n", "not event_type,meter,hook"},
		{head + ",session,yes\n", "line 2: no event type"},
		{head + "# why\n\nuser.session.start,session,maybe\n", "line 4: hook"},
		{head + "user.session.start,total,yes\n", `meter "total"`},
		{head + "user.session.start,Session,yes\n", `meter "Session"`},
		{head + "user.session.start,app:0oa1,yes\n", `meter "app:0oa1"`},
		{head + "user.session.start,,yes\n", `meter ""`},
		{head + "a,session,yes\na,sso,no\n", "line 3: event type a is named twice"},
		{head + "a,session\n", "read the rules"},
		{head + "a,session,yes,more\n", "read the rules"},
		{head + "\"a,session,yes\n", "read the rules"},
		{head + manyMeters(33), "more than 32 meters"},
	} {
		rules, err := amau.ParseRules(strings.NewReader(c.table))
		if !errors.Is(err, amau.ErrBadInput) || rules != nil {
			t.Errorf("%q: rules %v, error %v, want none and ErrBadInput", c.table, rules, err)
		} else if !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %q does not say %q", c.table, err, c.want)
		}
	}
}

func TestParseRulesPassesOnReadErrors(t *testing.T) {
	broken := errors.New("disk on fire")
	_, err := amau.ParseRules(io.MultiReader(strings.NewReader("event_type,meter,hook\na,b,no\n"), iotest.ErrReader(broken)))
	if !errors.Is(err, broken) || errors.Is(err, amau.ErrBadInput) {
		t.Errorf("error %v, want the reader's and not ErrBadInput", err)
	}
}

func manyMeters(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "type.%d,m%d,no\n", i, i)
	}
	return b.String()
}

func TestParseRulesReplaced(t *testing.T) {
	rules, err := amau.ParseRules(strings.NewReader("# own rules\nevent_type,meter,hook\nb.x, mfa, yes\na.x, mfa, no\nc.x, other, no\n" + manyMeters(30)))
	if err != nil {
		t.Fatal(err)
	}
	if got := rules.Meters(); got[0] != "mfa" || got[1] != "other" || len(got) != 33 || got[32] != amau.Total {
		t.Errorf("meters %v", got)
	}
	if rule, ok := rules.Lookup("b.x"); !ok || !rule.Hook || rule.Meter != "mfa" {
		t.Errorf("b.x: %v, %v", rule, ok)
	}
	if _, ok := rules.Lookup(sessionStart); ok {
		t.Error("a replaced table still knows the default types")
	}
}

func FuzzParseRules(f *testing.F) {
	f.Add("event_type,meter,hook\nuser.session.start,session,yes\n")
	f.Add("# comment\nevent_type,meter,hook\n\"a,b\",m_1,no\n")
	f.Add("event_type,meter,hook\r\na,total,no\r\n")
	f.Fuzz(func(t *testing.T, table string) {
		rules, err := amau.ParseRules(strings.NewReader(table))
		if err != nil {
			if rules != nil {
				t.Fatal("rules beside an error")
			}
			return
		}
		meters := rules.Meters()
		if n := len(meters); n < 2 || n > 33 || meters[n-1] != amau.Total {
			t.Fatalf("meters %v", meters)
		}
		for _, r := range rules.All() {
			e := amau.Event{Type: r.Type, Result: "SUCCESS", Actor: amau.Entity{Type: "User", ID: "u"}}
			if v, rule, user := rules.Judge(&e, &amau.Exclusions{}); v != amau.Counts || rule != r || user != "u" {
				t.Fatalf("%v: %s, %v, %q", r, v, rule, user)
			}
		}
	})
}

func TestVerdictNames(t *testing.T) {
	seen := map[string]bool{}
	for v := amau.Counts; v.String() != "unknown"; v++ {
		if seen[v.String()] {
			t.Errorf("two verdicts are called %s", v)
		}
		seen[v.String()] = true
	}
	if len(seen) != 6 {
		t.Errorf("%d verdicts, want 6", len(seen))
	}
}

func BenchmarkJudge(b *testing.B) {
	rules := amau.DefaultRules()
	for name, x := range map[string]amau.Exclusions{
		"plain":    {},
		"excluded": amau.NewExclusions([]string{"0oanone"}, []string{"00unone"}),
	} {
		e := event(orgToken, actor("PublicClientApp", shop), target("access_token", "AT.1"), target("User", bob), grant("refresh_token"))
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if v, _, _ := rules.Judge(&e, &x); v != amau.Counts {
					b.Fatal(v)
				}
			}
		})
	}
}

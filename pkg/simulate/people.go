package simulate

import (
	"math"
	"time"
)

// org is what stays the same in an org: its applications and its people.
type org struct {
	seed     uint64
	users    int
	start    time.Time
	length   time.Duration
	apps     []app
	machines []int32 // :: place in apps of each client that gets tokens for itself
}

// flow is the way in which an application signs people in.
type flow uint8

const (
	oidcOrg     flow = iota // authorization code on the org's own authorization server
	oidcAS                  // authorization code on a custom authorization server
	saml                    // no token at all
	implicitOrg             // old single-page applications
	implicitAS
	mobile    // a refresh token that lives for months
	password  // resource owner password
	dashboard // Okta's own client
	machine   // client_credentials
)

type app struct {
	id, client, name string
	flow             flow
	custom           bool // tokens come from a custom authorization server
}

func newOrg(cfg Config) org {
	o := org{seed: cfg.Seed, users: cfg.Users, start: cfg.Start, length: time.Duration(cfg.Months) * 30 * 24 * time.Hour}
	list := []struct {
		name string
		flow flow
	}{
		{"Customer Portal", oidcOrg}, {"Shop", oidcAS}, {"Community", saml}, {"Legacy Account Page", implicitOrg},
		{"Legacy Search", implicitAS}, {"Mobile App", mobile}, {"Kiosk", password}, {"Okta Dashboard", dashboard},
		{"Loyalty", oidcAS}, {"Help Center", saml}, {"Partner Portal", oidcOrg},
		{"Order Sync", machine}, {"Stock Export", machine}, {"Mailing", machine},
	}
	for i, a := range list {
		r := seeded(cfg.Seed, 0xa99, uint64(i))
		one := app{id: "0oa" + word(&r, 14) + "5d7", name: a.name, flow: a.flow}
		one.client = one.id
		one.custom = a.flow == oidcAS || a.flow == implicitAS || a.flow == mobile || a.flow == machine && i%2 == 0
		if a.flow == dashboard {
			one.client = "okta." + uuid(r.next(), r.next())
		}
		if a.flow == machine {
			o.machines = append(o.machines, int32(i))
		}
		o.apps = append(o.apps, one)
	}
	return o
}

// people are signed in by the applications with these weights, in the order of newOrg's list.
var appWeights = []float64{20, 22, 12, 4, 3, 0, 2, 8, 9, 6, 6}

// What kinds of people there are: how many of a hundred, and their visits in 30 days.
var habits = []struct{ share, visits float64 }{
	{6, 24},   // every working day
	{20, 5},   // weekly
	{42, 1.2}, // about monthly
	{22, 0.2}, // a few times a year
	{10, 9},   // mostly by the mobile application, which only refreshes its tokens
}

const (
	onMobile         = 4 // place in habits
	eventsPerUserDay = 0.9
)

// person is one user of the org.
type person struct {
	habit        int
	visits       float64 // in 30 days
	joins, quits time.Time
	apps         [2]int32
}

// person makes up the n-th user, the same each time.
func (o *org) person(n int32) person {
	r := seeded(o.seed, 0x9e0, uint64(n))
	weights := make([]float64, 0, 8)
	for _, h := range habits {
		weights = append(weights, h.share)
	}
	p := person{habit: r.pick(weights)}
	p.visits = habits[p.habit].visits * (0.5 + r.float())
	p.apps = [2]int32{int32(r.pick(appWeights)), int32(r.pick(appWeights))}
	p.joins, p.quits = o.start, o.start.Add(2*o.length)
	if r.chance(0.35) {
		p.joins = o.start.Add(time.Duration(r.float() * float64(o.length)))
	}
	if r.chance(0.08) {
		p.quits = p.joins.Add(time.Duration(r.float() * float64(o.length)))
	}
	return p
}

// season is how busy a day of the year is: little in summer, much in December.
func season(t time.Time) float64 {
	return 1 + 0.18*math.Cos(2*math.Pi*float64(t.YearDay()-350)/365)
}

// busy is how busy an hour of the week is, at most 1.
func busy(t time.Time) float64 {
	h := 0.55 - 0.45*math.Cos(2*math.Pi*float64(t.Hour()-3)/24)
	if day := t.Weekday(); day == time.Saturday || day == time.Sunday {
		h *= 0.6
	}
	return h
}

const digits62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// word returns n random letters and digits.
func word(r *rng, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = digits62[r.intn(len(digits62))]
	}
	return string(b)
}

// UserID returns the Okta id of the n-th user: 20 characters that begin with 00u, like real
// ones, another one for each n.
func (o *org) userID(n int32) [20]byte { return o.personID("00u", uint64(n)) }

// accountID returns the id of the n-th user's account in an application.
func (o *org) accountID(n int32) [20]byte { return o.personID("0ua", uint64(n)) }

func (o *org) personID(prefix string, n uint64) (id [20]byte) {
	copy(id[:], prefix)
	r := seeded(o.seed, uint64(prefix[2]), n)
	const space = 62 * 62 * 62 * 62 * 62
	place := (n*387_420_489 + o.seed%space) % space // 3^18 has no factor in common with 62, so no two are the same
	for i := 3; i < 8; i++ {
		id[i] = digits62[place%62]
		place /= 62
	}
	for i := 8; i < 17; i++ {
		id[i] = digits62[r.intn(62)]
	}
	copy(id[17:], "5d7")
	return id
}

package simulate

import "time"

// live plans what a person does from one instant to another.
func (g *Generator) live(n int32, from, to time.Time) {
	p := g.org.person(n)
	r := seeded(g.cfg.Seed, 0x11fe, uint64(n), uint64(from.UnixMilli()))
	if !p.joins.Before(from) && p.joins.Before(to) && p.joins.After(g.cfg.Start) {
		g.add(&r, userCreated, n, p.apps[0], p.joins)
		g.add(&r, groupAdded, n, p.apps[0], p.joins.Add(time.Second))
		g.add(&r, appAdded, n, p.apps[0], p.joins.Add(2*time.Second))
	}
	mean := p.visits * g.scale * season(from) * float64(to.Sub(from)) / float64(30*24*time.Hour)
	for range r.times(mean) {
		at := g.moment(&r, from, to)
		if at.Before(p.joins) || at.After(p.quits) {
			continue
		}
		if p.habit == onMobile && r.chance(0.9) {
			g.refresh(&r, n, at)
			continue
		}
		g.visit(&r, n, p.apps[r.intn(2)], at)
	}
}

// moment returns a time at which people are awake.
func (g *Generator) moment(r *rng, from, to time.Time) time.Time {
	var at time.Time
	for range 6 {
		at = from.Add(time.Duration(r.float() * float64(to.Sub(from)))).Truncate(time.Millisecond)
		if r.chance(busy(at)) {
			break
		}
	}
	return at
}

// visit plans one visit: signing in, with its mistakes, and what the application then asks for.
func (g *Generator) visit(r *rng, user, app int32, at time.Time) {
	after := func() time.Time {
		at = at.Add(time.Duration(40+r.intn(1500)) * time.Millisecond)
		return at
	}
	g.noise(r, user, app, after)
	for r.chance(0.07) {
		g.add(r, sessionFailed, user, app, after())
	}
	if r.chance(0.015) { // gives up
		g.add(r, userLocked, user, app, after())
		return
	}
	if r.chance(0.5) {
		g.add(r, signOnPolicy, user, app, after())
	}
	if r.chance(0.85) { // else a session of some days ago is still good
		if r.chance(0.25) {
			g.add(r, mfa, user, app, after())
		}
		g.add(r, sessionStart, user, app, after())
	}
	if r.chance(0.02) {
		g.add(r, ssoFailed, user, app, after())
	}
	g.signIn(r, user, app, after)
	if r.chance(0.12) {
		g.add(r, sessionEnd, user, app, at.Add(time.Duration(5+r.intn(50))*time.Minute))
	}
}

// signIn plans what the application's flow does.
func (g *Generator) signIn(r *rng, user, app int32, after func() time.Time) {
	switch f := g.org.apps[app].flow; f {
	case saml:
		g.add(r, sso, user, app, after())
	case implicitOrg, implicitAS:
		id, access := orgImplicitID, orgImplicitAccess
		if f == implicitAS {
			id, access = asImplicitID, asImplicitAccess
		}
		g.add(r, id, user, app, after())
		if r.chance(0.6) {
			g.add(r, access, user, app, after())
		}
	case password:
		g.add(r, orgAccess, user, app, after())
	default:
		code, access, id, fresh, failed := orgCode, orgAccess, orgID, orgRefresh, orgFailed
		if g.org.apps[app].custom {
			code, access, id, fresh, failed = asCode, asAccess, asID, asRefresh, asFailed
		}
		if r.chance(0.9) {
			g.add(r, sso, user, app, after())
		}
		g.add(r, code, user, app, after())
		if r.chance(0.02) {
			g.add(r, failed, user, app, after())
			return
		}
		g.add(r, access, user, app, after())
		g.add(r, id, user, app, after())
		if r.chance(0.25) {
			g.add(r, fresh, user, app, after())
		}
	}
}

// refresh plans what a mobile application does that was signed in long ago: no session.
func (g *Generator) refresh(r *rng, user int32, at time.Time) {
	const mobileApp = 5 // in newOrg's list
	g.add(r, asAccess, user, mobileApp, at)
	if r.chance(0.7) {
		g.add(r, asRefresh, user, mobileApp, at.Add(30*time.Millisecond))
	}
}

// noise plans what happens beside and counts for nobody.
func (g *Generator) noise(r *rng, user, app int32, after func() time.Time) {
	if !r.chance(0.18) {
		return
	}
	others := []kind{passwordChanged, groupAdded, appAdded, adminApp, emailDelivered, rateLimit, exchanged, sessionOfNobody, sessionPreview}
	weights := []float64{5, 5, 5, 2, 8, 1, 2, 0.7, 0.7}
	k := others[r.pick(weights)]
	if k == sessionOfNobody || k == sessionPreview || k == exchanged {
		user = nobody
	}
	g.add(r, k, user, app, after())
}

// work plans the tokens that a machine gets for itself: one an hour in an org of a thousand
// people, more in a larger one.
func (g *Generator) work(machine int, from, to time.Time) {
	r := seeded(g.cfg.Seed, 0x3ac, uint64(machine), uint64(from.UnixMilli()))
	app := g.org.machines[machine]
	k := orgMachine
	if g.org.apps[app].custom {
		k = asMachine
	}
	hours := to.Sub(from).Hours()
	n := int(hours * g.scale * float64(g.cfg.Users) / 1000 * (0.7 + 0.6*r.float()))
	for i := range n {
		part := (float64(i) + r.float()) / float64(n)
		g.add(&r, k, nobody, app, from.Add(time.Duration(part*float64(to.Sub(from)))).Truncate(time.Millisecond))
	}
}

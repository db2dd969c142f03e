package amau_test

import (
	"testing"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

func TestEventUser(t *testing.T) {
	app := actor("PublicClientApp", shop)
	for _, c := range []struct {
		says  string
		event amau.Event
		want  string
	}{
		{"the actor, when nothing else names a user", event(sessionStart), alice},
		{"the actor, when the targets are none", event(sessionStart, target("AppInstance", shop)), alice},
		{"the target before the actor", event(sessionStart, target("User", bob)), bob},
		{"the first of two user targets", event(orgToken, app, target("User", bob), target("User", alice)), bob},
		{"the second, when the first has no id", event(orgToken, app, target("User", ""), target("User", alice)), alice},
		{"the second, when the first is unknown", event(orgToken, app, target("User", "unknown"), target("User", alice)), alice},
		{"the actor, when no target is usable", event(sso, target("User", "unknown"), target("User", "")), alice},
		{"not an application's account", event(sso, target("AppUser", "0uaaccount")), alice},
		{"nobody, when the actor is an application", event(orgToken, app, target("access_token", "AT.1")), ""},
		{"nobody, when the actor is Okta itself", event(sso, actor("SystemPrincipal", "system")), ""},
		{"nobody, when the actor has no id", event(sso, actor("User", "")), ""},
		{"nobody, when the type is written otherwise", event(sso, actor("user", alice)), ""},
		{"an id of any form, since its form is not promised", event(sso, actor("User", "x")), "x"},
		{"an id that only begins with unknown", event(sso, actor("User", "unknown1")), "unknown1"},
	} {
		if got := c.event.User(); got != c.want {
			t.Errorf("%s: got %q, want %q", c.says, got, c.want)
		}
	}
}

func TestEventApp(t *testing.T) {
	app := actor("PublicClientApp", shop)
	for _, c := range []struct {
		says  string
		event amau.Event
		want  string
	}{
		{"the application that was signed in to", event(sso, target("AppUser", "0ua1"), target("AppInstance", shop), client("0oabrowser")), shop},
		{"the first of two", event(sso, target("AppInstance", shop), target("AppInstance", "0oaother")), shop},
		{"not one without an id", event(sso, target("AppInstance", ""), target("AppInstance", shop)), shop},
		{"the actor of a token event", event(orgToken, app, target("User", bob), client("0oabrowser")), shop},
		{"the client, when a user acted", event(sessionStart, client(shop)), shop},
		{"the client, when Okta acted", event(sso, actor("SystemPrincipal", "system"), client(shop)), shop},
		{"the client, when the actor is unknown", event(orgToken, actor("PublicClientApp", "unknown"), client(shop)), shop},
		{"none", event(sessionStart), ""},
	} {
		if got := c.event.App(); got != c.want {
			t.Errorf("%s: got %q, want %q", c.says, got, c.want)
		}
	}
}

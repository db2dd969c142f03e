package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// globalFlags are the settings that every command takes.
type globalFlags struct {
	store         string
	org           string
	contract      []string
	periods       enumValue
	timezone      string
	userKeyFile   string
	userKeySecret string
	rules         string
	excludeApps   []string
	excludeUsers  []string
	appMeters     bool
	quiet         bool
}

func (g *globalFlags) register(root *cobra.Command) {
	f := root.PersistentFlags()
	f.StringVar(&g.store, "store", "sqlite:amau.db", "the `ledger`, sqlite:PATH or dynamodb:TABLE")
	f.StringVar(&g.org, "org", "default", "`name` of the Okta org in the ledger")
	f.StringSliceVar(&g.contract, "contract", nil, "a contract term, `DATE=AMAU`: its start and the aMAU purchased per year, which may be left out; repeat it when the terms change")
	g.periods = newEnum(string(amau.ByContract), string(amau.ByCalendar))
	f.Var(&g.periods, "periods", "where months begin, on the contract's day of the month or on the first: "+g.periods.list())
	f.StringVar(&g.timezone, "timezone", "UTC", "IANA `zone` in which months begin, like Europe/Berlin")
	f.StringVar(&g.userKeyFile, "user-key-file", "", "`file` with the pseudonym key; default: one that is made once and kept in the SQLite ledger")
	f.StringVar(&g.userKeySecret, "user-key-secret", "", "`ARN` of the pseudonym key in AWS Secrets Manager")
	f.StringVar(&g.rules, "rules", "", "CSV `file` with the event types that count, in place of the built-in ones")
	f.StringSliceVar(&g.excludeApps, "exclude-app", nil, "`id` of an application or OAuth client not to count; can be repeated")
	f.StringSliceVar(&g.excludeUsers, "exclude-user", nil, "`id` of an Okta user not to count; can be repeated")
	f.BoolVar(&g.appMeters, "app-meters", false, fmt.Sprintf("record the users of each application too, of the first %d in a month each by itself", amau.MaxApps))
	f.BoolVar(&g.quiet, "quiet", false, "no progress and no notes on stderr, only errors")
	annotate(f, "exclude-app", "AMAU_EXCLUDE_APPS") // as the deployed functions name them
	annotate(f, "exclude-user", "AMAU_EXCLUDE_USERS")
	root.MarkFlagsMutuallyExclusive("user-key-file", "user-key-secret")
}

// annotate gives a flag a variable that is not made from its name.
func annotate(flags *pflag.FlagSet, name, env string) {
	if err := flags.SetAnnotation(name, annotationEnv, []string{env}); err != nil {
		panic(err) // only a flag that is not there
	}
}

// org returns the name of the org.
func (a *app) org() (string, error) {
	if err := amau.CheckOrg(a.flags.org); err != nil {
		return "", usagef("%s: %w", a.flagName("org"), err)
	}
	return a.flags.org, nil
}

// contract returns the contract that --contract, --periods and --timezone state.
func (a *app) contract() (*amau.Contract, error) {
	terms, err := amau.ParseTerms(strings.Join(a.flags.contract, ","))
	if err != nil {
		return nil, usagef("%s: %w", a.flagName("contract"), err)
	}
	zone, err := a.zone()
	if err != nil {
		return nil, err
	}
	c, err := amau.NewContract(terms, amau.PeriodsBy(a.flags.periods.value), zone)
	if err != nil {
		return nil, usagef("%s: %w", a.flagName("contract"), err)
	}
	return c, nil
}

// zone returns the location that --timezone names. "Local" is refused: the ledger would then
// depend on the machine that wrote it.
func (a *app) zone() (*time.Location, error) {
	name := a.flags.timezone
	zone, err := time.LoadLocation(name)
	if err != nil || name == "" || name == "Local" {
		return nil, usagef("%s: there is no time zone %q; give an IANA name like UTC or Europe/Berlin", a.flagName("timezone"), name)
	}
	return zone, nil
}

// rules returns the event types that count.
func (a *app) rules() (*amau.Rules, error) {
	if a.flags.rules == "" {
		return amau.DefaultRules(), nil
	}
	f, err := os.Open(a.flags.rules)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", a.flagName("rules"), err)
	}
	defer f.Close()
	r, err := amau.ParseRules(f)
	if err != nil {
		return nil, usagef("%s %s: %w", a.flagName("rules"), a.flags.rules, err)
	}
	return r, nil
}

// exclusions returns the applications and users that are not to be counted.
func (a *app) exclusions() amau.Exclusions {
	return amau.NewExclusions(a.flags.excludeApps, a.flags.excludeUsers)
}

// settings are all that decides what is counted, when and for which org; no ledger and no key.
type settings struct {
	org        string
	contract   *amau.Contract
	rules      *amau.Rules
	exclusions amau.Exclusions
	appMeters  bool
}

// settings returns what the global flags state, or the first complaint about them. A command
// asks for it before it opens or creates anything.
func (a *app) settings() (settings, error) {
	s := settings{exclusions: a.exclusions(), appMeters: a.flags.appMeters}
	var err error
	if s.org, err = a.org(); err != nil {
		return settings{}, err
	}
	if s.contract, err = a.contract(); err != nil {
		return settings{}, err
	}
	if s.rules, err = a.rules(); err != nil {
		return settings{}, err
	}
	return s, nil
}

// date reads a flag that names a day, as noon of that day in zone: an instant that every zone
// has, and that lies in the period that the day belongs to. An empty value and today are the zero
// time, which stands for now.
func (a *app) date(flag, value string, zone *time.Location) (time.Time, error) {
	if value == "" {
		return time.Time{}, nil
	}
	d, err := amau.ParseDate(value)
	if err != nil {
		return time.Time{}, usagef("%s: %w", a.flagName(flag), err)
	}
	if d == amau.DateOf(a.now().In(zone)) {
		return time.Time{}, nil
	}
	return time.Date(d.Year, d.Month, d.Day, 12, 0, 0, 0, zone), nil
}

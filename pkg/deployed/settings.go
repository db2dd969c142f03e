// Package deployed is what the deployed functions share: their settings, which the template
// puts into the environment under the names of the command line's variables, and the parts that
// are made from them.
package deployed

import (
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/metrics"
)

// Settings are those of every function.
type Settings struct {
	Table      string
	Org        string
	Contract   *amau.Contract
	Rules      *amau.Rules
	Exclusions amau.Exclusions
	AppMeters  bool
	Log        *slog.Logger
	Metrics    *metrics.Writer
}

// Read reads the settings of a function from its environment; logs and metrics go to w, which
// Lambda sends to CloudWatch. It makes no request.
//
//	AMAU_STORE              dynamodb:TABLE, required
//	AMAU_ORG                default: default
//	AMAU_CONTRACT           terms, separated by commas
//	AMAU_PERIODS            contract (default) or calendar
//	AMAU_TIMEZONE           IANA name, default UTC
//	AMAU_EXCLUDE_APPS       ids, separated by commas
//	AMAU_EXCLUDE_USERS      ids, separated by commas
//	AMAU_APP_METERS         true or false (default)
//	AMAU_LOG_LEVEL          debug, info (default), warn or error
//	AMAU_METRICS_NAMESPACE  default: OktaAmau
//	AMAU_STACK              the dimension Stack of all metrics
func Read(function string, getenv func(string) string, w io.Writer) (*Settings, error) {
	or := func(name, standard string) string {
		if value := getenv(name); value != "" {
			return value
		}
		return standard
	}
	s := &Settings{Org: or("AMAU_ORG", "default"), Rules: amau.DefaultRules()}
	table, ok := strings.CutPrefix(getenv("AMAU_STORE"), "dynamodb:")
	if !ok || table == "" {
		return nil, fmt.Errorf("AMAU_STORE is %q, not dynamodb:TABLE", getenv("AMAU_STORE"))
	}
	s.Table = table
	terms, err := amau.ParseTerms(getenv("AMAU_CONTRACT"))
	if err != nil {
		return nil, fmt.Errorf("AMAU_CONTRACT: %w", err)
	}
	zone, err := time.LoadLocation(or("AMAU_TIMEZONE", "UTC"))
	if err != nil {
		return nil, fmt.Errorf("AMAU_TIMEZONE: %w", err)
	}
	s.Contract, err = amau.NewContract(terms, amau.PeriodsBy(getenv("AMAU_PERIODS")), zone)
	if err != nil {
		return nil, fmt.Errorf("AMAU_CONTRACT, AMAU_PERIODS: %w", err)
	}
	s.Exclusions = amau.NewExclusions(strings.Split(getenv("AMAU_EXCLUDE_APPS"), ","), strings.Split(getenv("AMAU_EXCLUDE_USERS"), ","))
	if s.AppMeters, err = strconv.ParseBool(or("AMAU_APP_METERS", "false")); err != nil {
		return nil, fmt.Errorf("AMAU_APP_METERS: %w", err)
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(or("AMAU_LOG_LEVEL", "info"))); err != nil {
		return nil, fmt.Errorf("AMAU_LOG_LEVEL: %w", err)
	}
	s.Log = slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level})).With("function", function)
	s.Metrics = metrics.NewWriter(w, or("AMAU_METRICS_NAMESPACE", "OktaAmau"), getenv("AMAU_STACK"), function, nil)
	return s, nil
}

// NeedsApps reports whether events must be decoded with their applications.
func (s *Settings) NeedsApps() bool {
	c := s.config(nil)
	return c.NeedsApps()
}

// Recorder returns a recorder by these settings.
func (s *Settings) Recorder(ledger amau.Ledger, pseudonymKey string) (*amau.Recorder, error) {
	keyer, err := amau.NewKeyer([]byte(pseudonymKey))
	if err != nil {
		return nil, err
	}
	return amau.NewRecorder(s.config(keyer), ledger)
}

func (s *Settings) config(keyer *amau.Keyer) amau.Config {
	return amau.Config{Org: s.Org, Contract: s.Contract, Keyer: keyer, Rules: s.Rules, Exclusions: s.Exclusions, AppMeters: s.AppMeters}
}

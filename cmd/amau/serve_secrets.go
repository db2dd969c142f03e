package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/okta-amau/okta-amau/pkg/receiver"
)

// The variables that hold the values of the Authorization header.
const (
	envHookSecret         = "AMAU_HOOK_SECRET"
	envHookSecretPrevious = "AMAU_HOOK_SECRET_PREVIOUS"
)

// How often the files are read again: on any request, and when a request carried neither
// secret.
const (
	secretAge    = 5 * time.Second
	secretMinAge = time.Second
)

// shortSecret is the length below which a secret can be guessed.
const shortSecret = 16

// secretFile is where one secret comes from: a file, or a variable that was read once.
type secretFile struct {
	name  string // empty: not a file
	value string
}

func (s *secretFile) read() (string, error) {
	if s.name == "" {
		return s.value, nil
	}
	content, err := os.ReadFile(s.name)
	return strings.TrimSpace(string(content)), err
}

// hookSecrets are the receiver's secrets, from files that are read again as they change.
type hookSecrets struct {
	current, previous secretFile
	now               func() time.Time
	log               *slog.Logger

	mu   sync.Mutex
	keys receiver.Keys
	read time.Time
}

var _ receiver.Secrets = (*hookSecrets)(nil)

// hookSecrets returns the secrets that the flags and variables give, and refuses to go on
// without one.
func (a *app) hookSecrets(f serveFlags, log *slog.Logger) (*hookSecrets, error) {
	s := &hookSecrets{now: a.now, log: log}
	s.current = secretFile{f.secretFile, strings.TrimSpace(a.getenv(envHookSecret))}
	s.previous = secretFile{f.previousFile, strings.TrimSpace(a.getenv(envHookSecretPrevious))}
	current, err := s.current.read()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", a.flagName("hook-secret-file"), err)
	}
	previous, err := s.previous.read()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", a.flagName("hook-secret-previous-file"), err)
	}
	if current == "" {
		return nil, usagef("there is no secret for the hook, so anybody could send events. Make one with: export %s=$(openssl rand -hex 32), "+
			"and give Okta the same value for the Authorization header", envHookSecret)
	}
	for _, one := range []string{current, previous} {
		if strings.ContainsFunc(one, func(r rune) bool { return r < ' ' || r > '~' }) {
			return nil, usagef("a secret of the hook has characters that no Authorization header can carry; use printable ASCII on one line")
		}
		if one != "" && len(one) < shortSecret {
			a.note("A secret of the hook is shorter than %d characters and could be guessed. Make one with: openssl rand -hex 32.", shortSecret)
		}
	}
	s.keys, s.read = receiver.NewKeys(current, previous), a.now()
	return s, nil
}

// Keys returns the secrets, from memory unless they are some seconds old.
func (s *hookSecrets) Keys(context.Context) (receiver.Keys, error) { return s.atMost(secretAge), nil }

// Refresh reads the secrets again, unless that was done a moment ago.
func (s *hookSecrets) Refresh(context.Context) (receiver.Keys, error) {
	return s.atMost(secretMinAge), nil
}

// atMost returns secrets that were read at most so long ago. While a file cannot be read, or is
// empty because it is just being written, the last ones hold.
func (s *hookSecrets) atMost(age time.Duration) receiver.Keys {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current.name == "" && s.previous.name == "" || s.now().Sub(s.read) < age {
		return s.keys
	}
	s.read = s.now()
	current, err := s.current.read()
	if err == nil && current != "" {
		var previous string
		if previous, err = s.previous.read(); err == nil {
			s.keys = receiver.NewKeys(current, previous)
		}
	}
	if err != nil || current == "" {
		s.log.Warn("the hook's secrets could not be read again; the last ones hold", "error", err)
	}
	return s.keys
}

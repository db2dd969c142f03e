package main

import (
	"context"

	"github.com/okta-amau/okta-amau/pkg/receiver"
	"github.com/okta-amau/okta-amau/pkg/secret"
)

// hookSecrets are the hook's secrets as the receiver wants them, cached.
type hookSecrets struct {
	cache *secret.Rotating[receiver.Keys]
}

var _ receiver.Secrets = (*hookSecrets)(nil)

func newHookSecrets(client secret.Client, arn string) *hookSecrets {
	return &hookSecrets{secret.NewRotating(func(ctx context.Context) (receiver.Keys, error) {
		text, err := secret.Read(ctx, client, arn)
		if err != nil {
			return receiver.Keys{}, err
		}
		h, err := secret.ParseHook(text)
		return receiver.NewKeys(h.Current, h.Previous), err
	}, nil)}
}

// Keys returns the secrets.
func (s *hookSecrets) Keys(ctx context.Context) (receiver.Keys, error) { return s.cache.Get(ctx) }

// Refresh reads the secrets again if that was not done moments ago.
func (s *hookSecrets) Refresh(ctx context.Context) (receiver.Keys, error) {
	return s.cache.Refresh(ctx)
}

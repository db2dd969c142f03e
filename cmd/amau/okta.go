package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/okta-amau/okta-amau/pkg/okta"
)

// envOktaToken is the variable that holds an API token.
const envOktaToken = "AMAU_OKTA_TOKEN"

// oktaFlags say which org is asked, and as whom.
type oktaFlags struct {
	orgURL    string
	tokenFile string
	clientID  string
	keyFile   string
	keyID     string
	noDPoP    bool
	apiSecret string
	rateShare float64
}

func (f *oktaFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.orgURL, "org-url", "", "`URL` of the Okta org, https://acme.okta.com")
	flags.StringVar(&f.tokenFile, "token-file", "", "`file` with an Okta API token; default $"+envOktaToken)
	flags.StringVar(&f.clientID, "client-id", "", "`id` of an Okta service app, 0oa…, in place of an API token")
	flags.StringVar(&f.keyFile, "private-key-file", "", "`file` with the service app's private key, as PEM or JWK")
	flags.StringVar(&f.keyID, "key-id", "", "`id` of that key at Okta, if the app has several and the file does not name it")
	flags.BoolVar(&f.noDPoP, "no-dpop", false, "no proofs of possession (DPoP); for service apps that do not require them")
	flags.StringVar(&f.apiSecret, "api-secret", "", "`ARN` of a secret in AWS Secrets Manager with the credentials, as docs/sources.md describes it")
	flags.Float64Var(&f.rateShare, "rate-share", 0.5, "`part` of the org's rate limit to use, above 0 and at most 1")
	annotate(flags, "org-url", "AMAU_OKTA_ORG_URL") // as the deployed functions name them
	annotate(flags, "api-secret", "AMAU_OKTA_API_SECRET_ARN")
	cmd.MarkFlagsRequiredTogether("client-id", "private-key-file")
	cmd.MarkFlagsMutuallyExclusive("token-file", "client-id", "api-secret")
}

// client returns a client of the org that may do what the scopes name.
func (f *oktaFlags) client(ctx context.Context, a *app, scopes ...string) (*okta.Client, error) {
	if f.orgURL == "" {
		return nil, usagef("--org-url is missing: give the Okta org, like --org-url https://acme.okta.com")
	}
	credentials, err := f.credentials(ctx, a)
	if err != nil {
		return nil, err
	}
	c, err := okta.NewClient(okta.ClientConfig{
		OrgURL: f.orgURL, Credentials: credentials, Scopes: scopes, Share: f.rateShare, Now: a.now,
	})
	if err != nil {
		return nil, usageError{err}
	}
	return c, nil
}

// credentials reads them from where the flags say.
func (f *oktaFlags) credentials(ctx context.Context, a *app) (okta.Credentials, error) {
	switch {
	case f.clientID != "":
		key, err := os.ReadFile(f.keyFile)
		if err != nil {
			return okta.Credentials{}, fmt.Errorf("%s: %w", a.flagName("private-key-file"), err)
		}
		return okta.Credentials{ClientID: f.clientID, PrivateKey: key, KeyID: f.keyID, NoDPoP: f.noDPoP}, nil
	case f.apiSecret != "":
		text, err := a.readSecret(ctx, f.apiSecret)
		if err != nil {
			return okta.Credentials{}, fmt.Errorf("%s: %w", a.flagName("api-secret"), err)
		}
		c, err := okta.ParseCredentials(text)
		if err != nil {
			return c, fmt.Errorf("%s: %w", a.flagName("api-secret"), err)
		}
		c.NoDPoP = c.NoDPoP || f.noDPoP
		return c, nil
	}
	token, from := []byte(a.getenv(envOktaToken)), envOktaToken
	if f.tokenFile != "" {
		from = a.flagName("token-file")
		var err error
		if token, err = os.ReadFile(f.tokenFile); err != nil {
			return okta.Credentials{}, fmt.Errorf("%s: %w", from, err)
		}
	}
	text := strings.TrimSpace(string(token))
	if text == "" && f.tokenFile == "" {
		return okta.Credentials{}, usagef("there are no credentials for Okta: give --client-id and --private-key-file of a service app, or an API token by --token-file or %s", envOktaToken)
	}
	if text == "" || strings.ContainsAny(text, " \t\r\n{") {
		return okta.Credentials{}, usagef("%s holds no API token", from)
	}
	return okta.Credentials{Token: text}, nil
}

package awsenv_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/okta-amau/okta-amau/pkg/awsenv"
)

// lambda is what the runtime sets.
func lambda() map[string]string {
	return map[string]string{
		"AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "token",
	}
}

func TestConfigOfAFunction(t *testing.T) {
	cfg, err := awsenv.Config(func(name string) string { return lambda()[name] })
	if err != nil {
		t.Fatal(err)
	}
	keys, err := cfg.Credentials.Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Region != "eu-central-1" || keys.AccessKeyID != "AKID" || keys.SecretAccessKey != "secret" || keys.SessionToken != "token" {
		t.Errorf("region %q, keys %+v", cfg.Region, keys)
	}
	if cfg.BaseEndpoint != nil {
		t.Errorf("endpoint %q, want none", *cfg.BaseEndpoint)
	}
}

func TestConfigNamesWhatIsMissing(t *testing.T) {
	for _, name := range []string{"AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} {
		env := lambda()
		delete(env, name)
		_, err := awsenv.Config(func(name string) string { return env[name] })
		if !errors.Is(err, awsenv.ErrIncomplete) || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "secret") {
			t.Errorf("without %s: %v", name, err)
		}
	}
}

// The request that a client sends says which endpoint it chose and how it signed.
func TestEndpoints(t *testing.T) {
	for _, test := range []struct{ name, global, service, want string }{
		{"one for all", "URL", "", "here"},
		{"one service's own", "", "URL", "here"},
		{"one service's own before that of all", "http://127.0.0.1:1", "URL", "here"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var authorization, token string
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				authorization, token = r.Header.Get("Authorization"), r.Header.Get("X-Amz-Security-Token")
				w.Header().Set("Content-Type", "application/x-amz-json-1.0")
				_, _ = w.Write([]byte("{}"))
			}))
			defer server.Close()
			env := lambda()
			env["AWS_ENDPOINT_URL"] = strings.Replace(test.global, "URL", server.URL, 1)
			env["AWS_ENDPOINT_URL_DYNAMODB"] = strings.Replace(test.service, "URL", server.URL, 1)
			for name, value := range env {
				if value != "" {
					t.Setenv(name, value) // the SDK looks at some of them itself
				}
			}
			cfg, err := awsenv.Config(func(name string) string { return env[name] })
			if err != nil {
				t.Fatal(err)
			}
			client := dynamodb.NewFromConfig(cfg, func(o *dynamodb.Options) {
				o.DisableValidateResponseChecksum = true
				o.Retryer = aws.NopRetryer{}
			})
			if _, err := client.ListTables(t.Context(), &dynamodb.ListTablesInput{}); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(authorization, "Credential=AKID/") || !strings.Contains(authorization, "/eu-central-1/dynamodb/") || token != "token" {
				t.Errorf("authorization %q, token %q", authorization, token)
			}
		})
	}
}

func TestFIPSEndpoint(t *testing.T) {
	env := lambda()
	env["AWS_USE_FIPS_ENDPOINT"] = "true"
	cfg, err := awsenv.Config(func(name string) string { return env[name] })
	if err != nil {
		t.Fatal(err)
	}
	if state := dynamodb.NewFromConfig(cfg).Options().EndpointOptions.UseFIPSEndpoint; state != aws.FIPSEndpointStateEnabled {
		t.Errorf("state %v", state)
	}
}

// The two benchmarks compare what a function does at its start.

func BenchmarkConfig(b *testing.B) {
	for b.Loop() {
		cfg, err := awsenv.Config(func(name string) string { return lambda()[name] })
		if err != nil {
			b.Fatal(err)
		}
		dynamodb.NewFromConfig(cfg)
	}
}

func BenchmarkLoadDefaultConfig(b *testing.B) {
	for name, value := range lambda() {
		b.Setenv(name, value)
	}
	for b.Loop() {
		cfg, err := config.LoadDefaultConfig(context.Background())
		if err != nil {
			b.Fatal(err)
		}
		dynamodb.NewFromConfig(cfg)
	}
}

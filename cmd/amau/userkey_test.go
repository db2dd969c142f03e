package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

const testKey = "correct horse battery staple"

// keeperStore is a store that keeps a pseudonym key.
type keeperStore struct {
	amau.Store
	key string
}

func (s keeperStore) UserKey(context.Context) ([]byte, error) { return []byte(s.key), nil }

// plainStore is one that does not.
type plainStore struct{ amau.Store }

func keyID(t *testing.T, a *app, store amau.Store) string {
	t.Helper()
	k, err := a.keyer(context.Background(), store)
	if err != nil {
		t.Fatal(err)
	}
	return k.ID()
}

func TestThePseudonymKeyIsTheSameFromEverywhere(t *testing.T) {
	keyer, err := amau.NewKeyer([]byte(testKey))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte("  "+testKey+"\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	secretsManager(t, `{"ARN":"arn","Name":"n","SecretString":"`+testKey+`\n"}`)

	a := testApp(nil)
	if got := keyID(t, a, keeperStore{key: testKey}); got != keyer.ID() {
		t.Errorf("the ledger's own has the id %s, not %s", got, keyer.ID())
	}
	a.flags.userKeyFile = file
	if got := keyID(t, a, keeperStore{key: "another key that is long enough"}); got != keyer.ID() {
		t.Errorf("that of the file has the id %s, not %s", got, keyer.ID())
	}
	a.flags.userKeyFile, a.flags.userKeySecret = "", "arn:aws:secretsmanager:eu-central-1:123456789012:secret:amau"
	if got := keyID(t, a, plainStore{}); got != keyer.ID() {
		t.Errorf("that of the secret has the id %s, not %s", got, keyer.ID())
	}
}

// secretsManager answers every request with body, as the service that the SDK finds.
func secretsManager(t *testing.T, body string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		request, _ := io.ReadAll(r.Body)
		if r.Header.Get("X-Amz-Target") != "secretsmanager.GetSecretValue" || !strings.Contains(string(request), "secret:amau") {
			http.Error(w, `{"__type":"InvalidRequestException","Message":"unexpected"}`, http.StatusBadRequest)
			return
		}
		fmt.Fprint(w, body)
	}))
	t.Cleanup(server.Close)
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": server.URL, "AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "key",
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_PROFILE": "",
	} {
		t.Setenv(name, value)
	}
}

func TestThePseudonymKeyIsMissing(t *testing.T) {
	dir := t.TempDir()
	short := filepath.Join(dir, "short")
	if err := os.WriteFile(short, []byte("   tooshort       \n"), 0o600); err != nil {
		t.Fatal(err)
	}
	secretsManager(t, `{"ARN":"arn","Name":"n","SecretBinary":"AAAA"}`)
	tests := []struct {
		name  string
		flags globalFlags
		code  int
		want  string
	}{
		{"nothing given", globalFlags{}, 2, "--user-key-secret or --user-key-file"},
		{"no file", globalFlags{userKeyFile: filepath.Join(dir, "none")}, 1, "--user-key-file"},
		{"short", globalFlags{userKeyFile: short}, 1, "--user-key-file: the pseudonym key has 8 bytes, it needs at least 16"},
		{"binary secret", globalFlags{userKeySecret: "arn:secret:amau"}, 1, "--user-key-secret: read secret arn:secret:amau: it has no text"},
		{"other secret", globalFlags{userKeySecret: "arn:secret:other"}, 1, "--user-key-secret: read secret "},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a := testApp(nil)
			a.flags = test.flags
			_, err := a.keyer(context.Background(), plainStore{})
			if exitCode(err) != test.code || !strings.Contains(message(err), test.want) {
				t.Errorf("exit %d with %q, not exit %d with %q", exitCode(err), message(err), test.code, test.want)
			}
		})
	}
}

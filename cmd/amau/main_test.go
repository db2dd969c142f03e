package main

import (
	"context"
	"crypto/rand"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/okta-amau/okta-amau/internal/testtools"
	"github.com/okta-amau/okta-amau/pkg/ledger/dynamo"
)

func TestMain(m *testing.M) {
	testscript.Main(withBinary{m}, map[string]func(){
		"amau": testMain,
	})
}

// testMain is main with a clock: the scripts' AMAU_TEST_NOW, an RFC 3339 time.
func testMain() {
	a := newApp(os.Getenv, os.Stdin, os.Stdout, os.Stderr)
	if at := os.Getenv("AMAU_TEST_NOW"); at != "" {
		now, err := time.Parse(time.RFC3339, at)
		if err != nil {
			panic(err)
		}
		a.now = func() time.Time { return now }
	}
	err := a.run(context.Background(), os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "amau:", message(err))
	}
	os.Exit(exitCode(err))
}

// update makes the scripts write what the commands answered into their files to compare with.
var update = flag.Bool("update", false, "write the expected outputs of the scripts anew")

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       *update,
	})
}

func TestScriptsOnDynamoDB(t *testing.T) {
	endpoint := testtools.DynamoDBLocal(t)
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": endpoint, "AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_PROFILE": "",
	} {
		t.Setenv(name, value)
	}
	cfg, err := awsConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "dynamodb"),
		RequireExplicitExec: true,
		UpdateScripts:       *update,
		Setup: func(e *testscript.Env) error {
			table := "script-" + rand.Text()[:8]
			if err := dynamo.CreateTable(t.Context(), dynamodb.NewFromConfig(cfg), table); err != nil {
				return err
			}
			e.Setenv("AMAU_STORE", "dynamodb:"+table)
			for _, name := range []string{"AWS_ENDPOINT_URL", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_CONFIG_FILE"} {
				e.Setenv(name, os.Getenv(name))
			}
			return nil
		},
	})
}

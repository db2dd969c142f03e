package dynamo_test

import (
	"flag"
	"os"
	"testing"

	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/ledger/dynamo"
	"github.com/okta-amau/okta-amau/pkg/ledger/ledgertest"
)

// propertyCases is how many cases of a property an ordinary run tries, each of which is hundreds of requests to DynamoDB Local.
// SQLite has all the hundred of rapid, whose flag -rapid.checks is for more of them here.
const propertyCases = "40"

func TestMain(m *testing.M) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "rapid.checks" })
	if !given {
		if err := flag.Set("rapid.checks", propertyCases); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

func TestConformance(t *testing.T) {
	table := newTable(t)
	ledgertest.Run(t, func(t testing.TB) amau.Store { return open(t, table, nil, dynamo.Options{}) })
}

// TestConformanceOfSmallPages runs the suite where every answer is incomplete: a page of a
// query has few items, and a batch leaves most of its keys unprocessed.
func TestConformanceOfSmallPages(t *testing.T) {
	table := newTable(t)
	client := smallClient{Client: newClient(t, nil), page: 13, batch: 7}
	ledgertest.Run(t, func(t testing.TB) amau.Store {
		return openWith(t, client, table, dynamo.Options{Shards: 4, Attempts: 100, MaxBackoff: 1, Known: -1})
	}, ledgertest.Options{PageClaims: 300, PropertyEvents: 20})
}

// TestConformanceOfRealTable runs the suite on the table that AMAU_TEST_TABLE names, in the
// account and region of the usual AWS environment. The suite only adds to it, under orgs with
// random names.
func TestConformanceOfRealTable(t *testing.T) {
	table := os.Getenv("AMAU_TEST_TABLE")
	if table == "" {
		t.Skip("no real table: AMAU_TEST_TABLE names none")
	}
	cfg, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ledgertest.Run(t, func(t testing.TB) amau.Store {
		l, err := dynamo.Open(cfg, table, dynamo.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return l
	})
}

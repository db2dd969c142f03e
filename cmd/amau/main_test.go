package main

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
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

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	})
}

// Command amau counts the annual monthly active users (aMAU) of an Okta org from Okta's own
// events, on one machine with SQLite or against the DynamoDB table of a deployment.
//
// amau --help lists the commands. What the outputs promise stands in OUTPUT.md.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	_ "time/tzdata" // --timezone works on machines without a zone database
)

func main() {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		signal.Stop(signals) // before anything ends for the first: a second one ends the process at once
		cancel()
	}()
	err := run(ctx, os.Args[1:], os.Getenv, os.Stdin, os.Stdout, os.Stderr)
	if err != nil {
		fmt.Fprintln(os.Stderr, "amau:", message(err))
	}
	os.Exit(exitCode(err)) // 0 done, 1 failed or something rejected, 2 wrong usage
}

// Command hook is the Lambda function behind the event hook's URL. It answers by the rules of
// package receiver: claims go to the ledger's table, to the intake queue when the table does
// not take them in time, and what cannot be decoded goes to the quarantine queue.
//
// Its settings are those of package deployed and
//
//	AMAU_HOOK_SECRET_ARN       the hook's secrets, {"current":"…","previous":"…"}
//	AMAU_USER_KEY_SECRET       ARN of the pseudonym key
//	AMAU_INTAKE_QUEUE_URL      where claims go that the ledger does not take
//	AMAU_QUARANTINE_QUEUE_URL  where goes what cannot be decoded
package main

import (
	"fmt"
	"os"
	_ "time/tzdata" // provided.al2023 has no zone database

	"github.com/aws/aws-lambda-go/lambda"
)

func main() {
	h, err := newHandler(os.Getenv, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "hook:", err)
		os.Exit(1)
	}
	lambda.Start(h)
}

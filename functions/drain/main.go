// Command drain is the Lambda function that empties the intake queue: claims that the ledger
// did not take when they came, and the events of a log stream.
//
// Its settings are those of package deployed and
//
//	AMAU_USER_KEY_SECRET  ARN of the pseudonym key
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
		fmt.Fprintln(os.Stderr, "drain:", err)
		os.Exit(1)
	}
	lambda.Start(h.handle)
}

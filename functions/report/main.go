// Command report is the Lambda function that runs once a day: it counts the contract year,
// keeps the report in the ledger and writes its figures as metrics.
//
// Its settings are those of package deployed.
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
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
	lambda.Start(h.handle)
}

// Command report is the Lambda function that runs once a day: it closes the periods that are
// due, counts the contract year, keeps the report in the ledger, writes its figures as metrics
// and sends the mails that are due.
//
// Its settings are those of package deployed and
//
//	AMAU_MAIL_FROM        address that the mails come from, verified in SES
//	AMAU_MAIL_TO          addresses that get them, separated by commas; both or neither
//	AMAU_MAIL_THRESHOLDS  percent of the purchased amount that are told of, default 80,90,100
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

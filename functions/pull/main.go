// Command pull is the Lambda function that reads the System Log every few minutes, from where
// it ended the last time.
//
// Its settings are those of package deployed and
//
//	AMAU_OKTA_ORG_URL         URL of the org
//	AMAU_OKTA_API_SECRET_ARN  ARN of the credentials, as okta.ParseCredentials reads them
//	AMAU_USER_KEY_SECRET      ARN of the pseudonym key
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
		fmt.Fprintln(os.Stderr, "pull:", err)
		os.Exit(1)
	}
	lambda.Start(h.handle)
}

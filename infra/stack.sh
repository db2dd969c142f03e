# Names of a deployed stack for the commands in docs/deploy.md and infra/playbooks. Read it into your shell:
#
#   . infra/stack.sh              # the stack okta-amau, or $STACK
#   STACK=other . infra/stack.sh
#
# It sets the settings of amau (AMAU_STORE and so on) to those of the stack, so that amau counts as the functions do, and
# gives three functions: out OUTPUT, par PARAMETER, res LOGICAL_ID. It needs version 2 of the aws command, credentials and a region.
STACK=${STACK:-okta-amau}

# An output of the stack, such as HookUrl.
out() {
	aws cloudformation describe-stacks --stack-name "$STACK" --query "Stacks[0].Outputs[?OutputKey=='$1'].OutputValue | [0]" --output text
}

# A parameter of the stack, such as Contract.
par() {
	aws cloudformation describe-stacks --stack-name "$STACK" --query "Stacks[0].Parameters[?ParameterKey=='$1'].ParameterValue | [0]" --output text
}

# The real name of a resource, such as HookFunction.
res() {
	aws cloudformation describe-stack-resources --stack-name "$STACK" --logical-resource-id "$1" --query "StackResources[0].PhysicalResourceId" --output text
}

# The ARN of a queue, given its logical id.
queue_arn() {
	aws sqs get-queue-attributes --queue-url "$(res "$1")" --attribute-names QueueArn --query Attributes.QueueArn --output text
}

AMAU_STORE=dynamodb:$(out TableName)
AMAU_USER_KEY_SECRET=$(out UserKeySecretArn)
AMAU_ORG=$(par Org)
AMAU_CONTRACT=$(par Contract)
AMAU_PERIODS=$(par PeriodsBy)
AMAU_TIMEZONE=$(par Timezone)
AMAU_EXCLUDE_APPS=$(par ExcludeApps)
AMAU_EXCLUDE_USERS=$(par ExcludeUsers)
export STACK AMAU_STORE AMAU_USER_KEY_SECRET AMAU_ORG AMAU_CONTRACT AMAU_PERIODS AMAU_TIMEZONE AMAU_EXCLUDE_APPS AMAU_EXCLUDE_USERS

# The Okta side of a deployment: the event hook, its verification, and the log stream to EventBridge. docs/deploy.md has
# the same steps with amau and by hand; use one of the ways only.

# The provider keeps auth.value in the state in clear text, and Okta never gives it back. amau hook register does the same
# job without leaving the secret anywhere.
resource "okta_event_hook" "amau" {
  count = var.hook_url == null ? 0 : 1

  name = var.name

  # Of the twelve event types that count, an event hook can carry these two. The others come by the log stream or the pull.
  events = [
    "user.authentication.sso",
    "user.session.start",
  ]

  channel = {
    type    = "HTTP"
    version = "1.0.0"
    uri     = var.hook_url
  }

  auth = {
    type  = "HEADER"
    key   = "authorization"
    value = var.hook_secret
  }

  lifecycle {
    precondition {
      condition     = var.secret_in_state_is_fine && var.hook_secret != null
      error_message = "The state will hold the hook's secret in clear text. Set hook_secret, and secret_in_state_is_fine = true if the state is kept as safe as the secret; or leave hook_url out and run amau hook register."
    }
  }
}

# Okta sends nothing to a hook that is not verified, and every change of URL or secret makes it unverified again.
resource "okta_event_hook_verification" "amau" {
  count = var.hook_url == null ? 0 : 1

  event_hook_id = okta_event_hook.amau[0].id

  lifecycle {
    replace_triggered_by = [okta_event_hook.amau[0]]
  }
}

# Makes the partner event source aws.partner/okta.com/SUBDOMAIN/NAME in the AWS account, which is the parameter
# LogStreamSource of the stack.
resource "okta_log_stream" "amau" {
  count = var.log_stream == null ? 0 : 1

  name   = var.name
  type   = "aws_eventbridge"
  status = "ACTIVE"

  settings {
    account_id        = var.log_stream.account_id
    region            = var.log_stream.region
    event_source_name = var.log_stream.event_source_name
  }
}

output "event_hook_id" {
  description = "Id of the event hook in Okta."
  value       = one(okta_event_hook.amau[*].id)
}

output "log_stream_id" {
  description = "Id of the log stream in Okta."
  value       = one(okta_log_stream.amau[*].id)
}

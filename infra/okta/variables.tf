variable "name" {
  description = "Name of the event hook and of the log stream in Okta."
  type        = string
  default     = "okta-amau"
}

variable "hook_url" {
  description = "Output HookUrl of the stack. Null: no event hook is managed here."
  type        = string
  default     = null

  validation {
    condition     = var.hook_url == null || can(regex("^https://[^ ]+/okta$", var.hook_url))
    error_message = "hook_url must be the https URL of the output HookUrl, which ends in /okta."
  }
}

variable "hook_secret" {
  description = "Value of \"current\" in the secret HookSecretArn. Terraform writes it into its state in clear text."
  type        = string
  default     = null
  sensitive   = true
}

variable "secret_in_state_is_fine" {
  description = "Must be true for the event hook to be managed here: it says that the state file is kept as safe as the secret itself."
  type        = bool
  default     = false
}

variable "log_stream" {
  description = "AWS account, region and event source name for the log stream to EventBridge. None of them can be changed later without a new stream. Null: none is managed here."
  type = object({
    account_id        = string
    region            = string
    event_source_name = string
  })
  default = null

  validation {
    condition     = var.log_stream == null || can(regex("^[0-9]{12}$", var.log_stream.account_id))
    error_message = "account_id must have 12 digits."
  }

  validation {
    condition     = var.log_stream == null || can(regex("^[A-Za-z0-9._-]{1,75}$", var.log_stream.event_source_name))
    error_message = "event_source_name must have 1 to 75 letters, digits, dots, hyphens or underscores."
  }
}

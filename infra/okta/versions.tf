terraform {
  required_version = ">= 1.9"

  required_providers {
    # okta_event_hook changes its schema after 6.12: read the provider's upgrade notes before raising this.
    okta = {
      source  = "okta/okta"
      version = "~> 6.12.0"
    }
  }
}

# Credentials by environment: OKTA_ORG_NAME, OKTA_BASE_URL and OKTA_API_TOKEN, or OKTA_API_CLIENT_ID, OKTA_API_PRIVATE_KEY_ID,
# OKTA_API_PRIVATE_KEY and OKTA_API_SCOPES=okta.eventHooks.manage,okta.logStreams.manage.
provider "okta" {}

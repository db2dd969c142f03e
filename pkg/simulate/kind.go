package simulate

import "github.com/okta-amau/okta-amau/pkg/amau"

// kind is what happened.
type kind uint8

const (
	sessionStart kind = iota
	sessionFailed
	sessionOfNobody // Okta could not tell who it was
	sessionPreview  // an administrator tries the hook out: "Success" is not SUCCESS
	sso
	ssoFailed
	orgAccess
	orgID
	orgRefresh
	orgImplicitID
	orgImplicitAccess
	asAccess
	asID
	asRefresh
	asImplicitID
	asImplicitAccess
	orgMachine // client_credentials
	asMachine
	exchanged // a token for a service, with no user in it
	orgFailed
	asFailed
	orgCode
	asCode
	signOnPolicy
	mfa
	sessionEnd
	userCreated
	userLocked
	passwordChanged
	groupAdded
	appAdded
	adminApp
	emailDelivered
	rateLimit
	kinds
)

// Who acts in an event.
type actor uint8

const (
	byUser actor = iota
	byClient
	bySystem
	byUnknown
	byNone
)

// spec is what is the same in all events of a kind. The meters are written down here once more,
// from the public definition, and not taken from the rules that they are to check.
type spec struct {
	eventType, message, legacy string
	result                     string
	meter                      amau.Meter // empty: it does not count
	hook                       bool       // Okta's catalog has it as event-hook-eligible
	actor                      actor
	grant                      bool // it has a grant type
}

const (
	grantedAccess   = "OIDC access token is granted"
	grantedID       = "OIDC id token is granted"
	grantedRefresh  = "OIDC refresh token is granted"
	grantedAccessAS = "OAuth2 access token is granted"
	grantedIDAS     = "OAuth2 id token is granted"
	grantedFreshAS  = "OAuth2 refresh token is granted"
	implicitID      = "OIDC authorization implicit ID token request"
	implicitAccess  = "OIDC authorization implicit access token request"
)

// specs are by kind.
var specs = [kinds]spec{
	sessionStart:      {"user.session.start", "User login to Okta", "core.user_auth.login_success", "SUCCESS", amau.Session, true, byUser, false},
	sessionFailed:     {"user.session.start", "User login to Okta", "core.user_auth.login_failed", "FAILURE", "", true, byUser, false},
	sessionOfNobody:   {"user.session.start", "User login to Okta", "core.user_auth.login_success", "SUCCESS", "", true, byUnknown, false},
	sessionPreview:    {"user.session.start", "User login to Okta", "core.user_auth.login_success", "Success", "", true, byNone, false},
	sso:               {"user.authentication.sso", "User single sign on to app", "app.auth.sso", "SUCCESS", amau.Session, true, byUser, false},
	ssoFailed:         {"user.authentication.sso", "User single sign on to app", "app.auth.sso", "FAILURE", "", true, byUser, false},
	orgAccess:         {"app.oauth2.token.grant.access_token", grantedAccess, "app.oauth2.token.grant.access_token_success", "SUCCESS", amau.SSO, false, byClient, true},
	orgID:             {"app.oauth2.token.grant.id_token", grantedID, "app.oauth2.token.grant.id_token_success", "SUCCESS", amau.SSO, false, byClient, true},
	orgRefresh:        {"app.oauth2.token.grant.refresh_token", grantedRefresh, "app.oauth2.token.grant.refresh_token_success", "SUCCESS", amau.SSO, false, byClient, true},
	orgImplicitID:     {"app.oauth2.authorize.implicit.id_token", implicitID, "app.oauth2.authorize.implicit.id_token_success", "SUCCESS", amau.SSO, false, byClient, true},
	orgImplicitAccess: {"app.oauth2.authorize.implicit.access_token", implicitAccess, "app.oauth2.authorize.implicit.access_token_success", "SUCCESS", amau.SSO, false, byClient, true},
	asAccess:          {"app.oauth2.as.token.grant.access_token", grantedAccessAS, "app.oauth2.as.token.grant.access_token_success", "SUCCESS", amau.API, false, byClient, true},
	asID:              {"app.oauth2.as.token.grant.id_token", grantedIDAS, "app.oauth2.as.token.grant.id_token_success", "SUCCESS", amau.SSO, false, byClient, true},
	asRefresh:         {"app.oauth2.as.token.grant.refresh_token", grantedFreshAS, "app.oauth2.as.token.grant.refresh_token_success", "SUCCESS", amau.SSO, false, byClient, true},
	asImplicitID:      {"app.oauth2.as.authorize.implicit.id_token", implicitID, "app.oauth2.as.authorize.implicit.id_token_success", "SUCCESS", amau.SSO, false, byClient, true},
	asImplicitAccess:  {"app.oauth2.as.authorize.implicit.access_token", implicitAccess, "app.oauth2.as.authorize.implicit.access_token_success", "SUCCESS", amau.API, false, byClient, true},
	orgMachine:        {"app.oauth2.token.grant.access_token", grantedAccess, "app.oauth2.token.grant.access_token_success", "SUCCESS", "", false, byClient, true},
	asMachine:         {"app.oauth2.as.token.grant.access_token", grantedAccessAS, "app.oauth2.as.token.grant.access_token_success", "SUCCESS", "", false, byClient, true},
	exchanged:         {"app.oauth2.as.token.grant.access_token", grantedAccessAS, "app.oauth2.as.token.grant.access_token_success", "SUCCESS", "", false, byClient, true},
	orgFailed:         {"app.oauth2.token.grant", "OIDC token request", "app.oauth2.token.grant_failure", "FAILURE", "", false, byClient, true},
	asFailed:          {"app.oauth2.as.token.grant", "OAuth2 token request", "app.oauth2.as.token.grant_failure", "FAILURE", "", false, byClient, true},
	orgCode:           {"app.oauth2.authorize.code", "OIDC authorization code request", "app.oauth2.authorize.code_success", "SUCCESS", "", false, byClient, false},
	asCode:            {"app.oauth2.as.authorize.code", "OAuth2 authorization code request", "app.oauth2.as.authorize.code_success", "SUCCESS", "", false, byClient, false},
	signOnPolicy:      {"policy.evaluate_sign_on", "Evaluation of sign-on policy", "", "ALLOW", "", false, byUser, false},
	mfa:               {"user.authentication.auth_via_mfa", "Authentication of user via MFA", "core.user.factor.attempt_success", "SUCCESS", "", true, byUser, false},
	sessionEnd:        {"user.session.end", "User logout from Okta", "core.user_auth.logout_success", "SUCCESS", "", true, byUser, false},
	userCreated:       {"user.lifecycle.create", "Create Okta user", "core.user.config.user_creation.success", "SUCCESS", "", true, bySystem, false},
	userLocked:        {"user.account.lock", "Max sign in attempts exceeded", "core.user_auth.account_locked", "FAILURE", "", true, byUser, false},
	passwordChanged:   {"user.account.update_password", "User update password for Okta", "core.user.config.password_update.success", "SUCCESS", "", true, byUser, false},
	groupAdded:        {"group.user_membership.add", "Add user to group membership", "core.user_group_member.user_add", "SUCCESS", "", true, bySystem, false},
	appAdded:          {"application.user_membership.add", "Add user to application membership", "app.generic.provision.assign_user_to_app", "SUCCESS", "", true, bySystem, false},
	adminApp:          {"user.session.access_admin_app", "User accessing Okta admin app", "app.admin.sso.login.success", "SUCCESS", "", false, byUser, false},
	emailDelivered:    {"system.email.delivery", "Email delivery status", "", "SUCCESS", "", false, bySystem, false},
	rateLimit:         {"system.operation.rate_limit.warning", "Operation rate limit warning", "", "SUCCESS", "", false, bySystem, false},
}

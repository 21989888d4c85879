#!/bin/sh
# Logs in to Google Cloud as this workflow, by Workload Identity Federation: there is no key.
#   google-login.sh file    prints what GOOGLE_APPLICATION_CREDENTIALS names; it renews itself
#   google-login.sh token   prints an access token, which is good for an hour
# PROVIDER is the name of the provider of the identity pool, ACCOUNT the service account's e-mail.
set -eu
: "${PROVIDER:?set the variable WORKLOAD_IDENTITY_PROVIDER}" "${ACCOUNT:?set the variable of the account}"
audience=https://iam.googleapis.com/$PROVIDER
tokens="$ACTIONS_ID_TOKEN_REQUEST_URL&audience=$(jq --raw-output --null-input --arg a "$audience" '$a|@uri')"
bearer="Bearer $ACTIONS_ID_TOKEN_REQUEST_TOKEN"
impersonate=https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/$ACCOUNT:generateAccessToken
scope=https://www.googleapis.com/auth/cloud-platform
if [ "$1" = file ]; then
  jq --null-input --arg audience "${audience#https:}" --arg url "$tokens" --arg bearer "$bearer" \
    --arg impersonate "$impersonate" '{
      type: "external_account",
      audience: $audience,
      subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
      token_url: "https://sts.googleapis.com/v1/token",
      service_account_impersonation_url: $impersonate,
      credential_source: {
        url: $url,
        headers: {Authorization: $bearer},
        format: {type: "json", subject_token_field_name: "value"}
      }
    }'
  exit
fi
ask() { curl --silent --show-error --fail --retry 3 "$@"; }
subject=$(ask --header "Authorization: $bearer" "$tokens" | jq --raw-output .value)
federated=$(jq --null-input --arg audience "${audience#https:}" --arg subject "$subject" --arg scope "$scope" '{
    grantType: "urn:ietf:params:oauth:grant-type:token-exchange",
    audience: $audience,
    scope: $scope,
    requestedTokenType: "urn:ietf:params:oauth:token-type:access_token",
    subjectTokenType: "urn:ietf:params:oauth:token-type:jwt",
    subjectToken: $subject
  }' | ask --json @- https://sts.googleapis.com/v1/token | jq --raw-output .access_token)
printf '{"scope": ["%s"]}' "$scope" |
  ask --json @- --header "Authorization: Bearer $federated" "$impersonate" | jq --raw-output .accessToken

#!/bin/sh
# Logs in to Google Cloud as this job, by Workload Identity Federation: there is no key.
#   google-login.sh file    prints what GOOGLE_APPLICATION_CREDENTIALS names, for as long as the job
#   google-login.sh token   prints an access token, which is good for an hour
# WORKLOAD_IDENTITY_PROVIDER is the name of the provider of the identity pool, ACCOUNT the service
# account's e-mail, GOOGLE_ID_TOKEN what GitLab says who this job is.
set -eu
: "${WORKLOAD_IDENTITY_PROVIDER:?set this variable}" "${ACCOUNT:?set the variable of the account}"
audience=https://iam.googleapis.com/$WORKLOAD_IDENTITY_PROVIDER
impersonate=https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/$ACCOUNT:generateAccessToken
scope=https://www.googleapis.com/auth/cloud-platform
if [ "$1" = file ]; then
  umask 077
  printenv GOOGLE_ID_TOKEN > "$HOME/google-id-token"
  jq --null-input --arg audience "${audience#https:}" --arg impersonate "$impersonate" \
    --arg file "$HOME/google-id-token" '{
      type: "external_account",
      audience: $audience,
      subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
      token_url: "https://sts.googleapis.com/v1/token",
      service_account_impersonation_url: $impersonate,
      credential_source: {file: $file}
    }'
  exit
fi
ask() { curl --silent --show-error --fail --retry 3 "$@"; }
federated=$(jq --null-input --arg audience "${audience#https:}" --arg subject "$GOOGLE_ID_TOKEN" --arg scope "$scope" '{
    grantType: "urn:ietf:params:oauth:grant-type:token-exchange",
    audience: $audience,
    scope: $scope,
    requestedTokenType: "urn:ietf:params:oauth:token-type:access_token",
    subjectTokenType: "urn:ietf:params:oauth:token-type:jwt",
    subjectToken: $subject
  }' | ask --json @- https://sts.googleapis.com/v1/token | jq --raw-output .access_token)
printf '{"scope": ["%s"]}' "$scope" |
  ask --json @- --header "Authorization: Bearer $federated" "$impersonate" | jq --raw-output .accessToken

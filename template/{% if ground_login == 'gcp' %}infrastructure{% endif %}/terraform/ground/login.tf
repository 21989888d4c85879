# The CI logs in with its own identity, as two of the accounts. No key is made.

locals {
  logins = { for account, subject in local.ci_subjects : account => subject if can(local.accounts[account]) }
}

resource "google_iam_workload_identity_pool" "ci" {
  project                   = var.project
  workload_identity_pool_id = "${local.prefix}-ci"
  display_name              = "${local.prefix}-ci"
  depends_on                = [google_project_service.api]
}

resource "google_iam_workload_identity_pool_provider" "ci" {
  project                            = var.project
  workload_identity_pool_id          = google_iam_workload_identity_pool.ci.workload_identity_pool_id
  workload_identity_pool_provider_id = "login"
  attribute_mapping                  = { "google.subject" = "assertion.sub" }
  attribute_condition                = "assertion.sub in ${jsonencode(distinct(values(local.logins)))}"
  #checkov:skip=CKV_GCP_125:the condition names whole subjects: a repository's branch or environment
  oidc {
    issuer_uri = local.ci_issuer
  }
}

resource "google_service_account_iam_member" "ci" {
  for_each           = local.logins
  service_account_id = google_service_account.account[each.key].name
  role               = "roles/iam.workloadIdentityUser"
  member             = "principal://iam.googleapis.com/${google_iam_workload_identity_pool.ci.name}/subject/${each.value}"
}

output "ci" {
  description = "The CI's variables."
  value = merge(
    { REGISTRY = local.registry, WORKLOAD_IDENTITY_PROVIDER = google_iam_workload_identity_pool_provider.ci.name },
    { for each in keys(local.logins) : "${upper(each)}_ACCOUNT" => google_service_account.account[each].email },
  )
}

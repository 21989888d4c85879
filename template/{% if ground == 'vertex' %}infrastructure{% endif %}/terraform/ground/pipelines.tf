# Who may do what with Vertex AI's pipelines: docs/terraform.md has the table of roles, and why.

locals {
  more_apis     = toset(["aiplatform", "bigquery", "cloudquotas", "run", "servicenetworking", "sqladmin"])
  more_accounts = { mlflow = "runs MLflow's server", submit = "submits pipelines" }
  ranges        = {}
  readers       = local.submitters # Vertex AI's own agents read the registry of their project
  # A submit reads what `make doctor` shows, and makes one job or schedule.
  submitters = merge(
    { submit = google_service_account.account["submit"].member },
    { for each in var.developers : each => each },
  )
  submitter_roles = [
    "roles/aiplatform.user", "roles/browser", "roles/cloudquotas.viewer", "roles/logging.viewer",
    "roles/serviceusage.serviceUsageViewer",
  ]
}

resource "google_project_iam_member" "submitter" {
  for_each = {
    for pair in setproduct(keys(local.submitters), local.submitter_roles) : join(" ", pair) => pair
  }
  project = var.project
  role    = each.value[1]
  member  = local.submitters[each.value[0]]
}

resource "google_project_iam_member" "steps" {
  for_each = toset(["roles/aiplatform.user", "roles/bigquery.jobUser", "roles/logging.logWriter"])
  project  = var.project
  role     = each.key
  member   = google_service_account.account["steps"].member
}

# Runs are the steps' account's: who starts one must be allowed to act as it.
resource "google_service_account_iam_member" "acts_as_steps" {
  for_each           = local.submitters
  service_account_id = google_service_account.account["steps"].name
  role               = "roles/iam.serviceAccountUser"
  member             = each.value
}

resource "google_storage_bucket_iam_member" "submitter" {
  for_each = local.submitters
  bucket   = google_storage_bucket.bucket["pipelines"].name
  role     = "roles/storage.bucketViewer"
  member   = each.value
}

# What an endpoint needs: an account that reads models and nothing else, and where it logs requests.

resource "google_service_account" "endpoint" {
  project      = var.project
  account_id   = "${local.prefix}-serve"
  display_name = "${local.prefix}: answers requests"
  depends_on   = [google_project_service.api]
}

resource "google_storage_bucket_iam_member" "endpoint" {
  bucket = google_storage_bucket.bucket["models"].name
  role   = "roles/storage.objectViewer"
  member = google_service_account.endpoint.member
}

resource "google_project_iam_member" "endpoint" {
  project = var.project
  role    = "roles/logging.logWriter"
  member  = google_service_account.endpoint.member
}

# The pipeline's last step deploys as the steps' account; `make deploy` as whoever types it.
resource "google_service_account_iam_member" "acts_as_endpoint" {
  for_each           = merge(local.submitters, { steps = google_service_account.account["steps"].member })
  service_account_id = google_service_account.endpoint.name
  role               = "roles/iam.serviceAccountUser"
  member             = each.value
}

# The gate of a canary reads the endpoint's numbers.
resource "google_project_iam_member" "watcher" {
  for_each = merge(local.submitters, { steps = google_service_account.account["steps"].member })
  project  = var.project
  role     = "roles/monitoring.viewer"
  member   = each.value
}

# `make deploy` puts a version's files there; the steps' account may already.
resource "google_storage_bucket_iam_member" "deployer" {
  for_each = local.submitters
  bucket   = google_storage_bucket.bucket["models"].name
  role     = "roles/storage.objectUser"
  member   = each.value
}

resource "google_bigquery_dataset" "requests" {
  project                    = var.project
  location                   = var.region
  dataset_id                 = replace("${local.prefix}_requests", "-", "_")
  description                = "A share of the endpoint's requests and answers"
  labels                     = local.labels
  delete_contents_on_destroy = !var.protected
  depends_on                 = [google_project_service.api]
  #checkov:skip=CKV_GCP_81:Google's keys encrypt it; a key of one's own is a decision of one's own
}

resource "google_bigquery_dataset_iam_member" "steps" {
  project    = var.project
  dataset_id = google_bigquery_dataset.requests.dataset_id
  role       = "roles/bigquery.dataViewer"
  member     = google_service_account.account["steps"].member
}

output "endpoint" {
  description = "What `make config` writes for the endpoint, by file."
  value = {
    "config/${var.environment}.yaml" = {
      deploy = {
        service_account = google_service_account.endpoint.email
        models          = "gs://${google_storage_bucket.bucket["models"].name}/served"
        request_log     = { table = "${var.project}.${google_bigquery_dataset.requests.dataset_id}.requests" }
      }
    }
  }
}

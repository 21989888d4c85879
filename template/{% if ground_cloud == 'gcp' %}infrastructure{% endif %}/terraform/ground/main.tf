# What every ground on Google Cloud has: APIs, a network, two buckets, a registry, accounts, a budget.

locals {
  labels = { name = var.name, environment = var.environment, managed-by = "terraform" }
  apis = setunion(local.more_apis, [
    "artifactregistry", "billingbudgets", "cloudresourcemanager", "compute", "iam", "iamcredentials",
    "logging", "monitoring", "secretmanager", "serviceusage", "storage", "sts",
  ])
  accounts = merge(local.more_accounts, {
    steps  = "runs the steps of pipelines"
    images = "pushes images"
  })
}

resource "google_project_service" "api" {
  for_each           = local.apis
  project            = var.project
  service            = "${each.key}.googleapis.com"
  disable_on_destroy = false # others may use it
}

resource "google_service_account" "account" {
  for_each     = local.accounts
  project      = var.project
  account_id   = "${local.prefix}-${each.key}"
  display_name = "${local.prefix}: ${each.value}"
  depends_on   = [google_project_service.api]
}

# `pipelines` holds what runs write; `models` MLflow's artifacts and what is served.
resource "google_storage_bucket" "bucket" {
  for_each                    = toset(["pipelines", "models"])
  project                     = var.project
  name                        = "${var.project}-${local.prefix}-${each.key}"
  location                    = var.region
  labels                      = local.labels
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = !var.protected
  depends_on                  = [google_project_service.api]
  #checkov:skip=CKV_GCP_62:access is in Cloud Audit Logs; a bucket of access logs is one more to pay
  versioning {
    enabled = true
  }
  soft_delete_policy {
    retention_duration_seconds = 604800
  }
  lifecycle_rule {
    condition {
      days_since_noncurrent_time = 30
    }
    action {
      type = "Delete"
    }
  }
}

resource "google_storage_bucket_iam_member" "writer" {
  for_each = google_storage_bucket.bucket
  bucket   = each.value.name
  role     = "roles/storage.objectUser"
  member   = google_service_account.account["steps"].member
}

resource "google_artifact_registry_repository" "images" {
  project       = var.project
  location      = var.region
  repository_id = local.prefix
  description   = "Images of ${local.prefix}"
  format        = "DOCKER"
  labels        = local.labels
  depends_on    = [google_project_service.api]
  #checkov:skip=CKV_GCP_84:Google's keys encrypt it; a key of one's own is a decision of one's own
}

resource "google_artifact_registry_repository_iam_member" "writer" {
  project    = var.project
  location   = var.region
  repository = google_artifact_registry_repository.images.name
  role       = "roles/artifactregistry.writer"
  member     = google_service_account.account["images"].member
}

resource "google_artifact_registry_repository_iam_member" "reader" {
  for_each   = merge(local.readers, { for each in var.image_readers : each => each })
  project    = var.project
  location   = var.region
  repository = google_artifact_registry_repository.images.name
  role       = "roles/artifactregistry.reader"
  member     = each.value
}

resource "google_compute_network" "network" {
  project                 = var.project
  name                    = local.prefix
  auto_create_subnetworks = false
  depends_on              = [google_project_service.api]
  #checkov:skip=CKV2_GCP_18:without a rule nothing comes in
}

resource "google_compute_subnetwork" "subnet" {
  project                  = var.project
  region                   = var.region
  name                     = local.prefix
  network                  = google_compute_network.network.id
  ip_cidr_range            = "10.10.0.0/20"
  private_ip_google_access = true
  dynamic "secondary_ip_range" {
    for_each = local.ranges
    content {
      range_name    = secondary_ip_range.key
      ip_cidr_range = secondary_ip_range.value
    }
  }
  log_config {
    flow_sampling = 0.1
    metadata      = "INCLUDE_ALL_METADATA"
  }
}

data "google_project" "this" {
  project_id = var.project
}

# It tells the billing account's administrators; it stops nothing.
resource "google_billing_budget" "budget" {
  count           = var.budget == null ? 0 : 1
  billing_account = var.budget.billing_account
  display_name    = local.prefix
  depends_on      = [google_project_service.api]
  budget_filter {
    projects = ["projects/${data.google_project.this.number}"]
  }
  amount {
    specified_amount {
      currency_code = var.budget.currency
      units         = var.budget.amount
    }
  }
  dynamic "threshold_rules" {
    for_each = [0.5, 0.9, 1]
    content {
      threshold_percent = threshold_rules.value
    }
  }
  threshold_rules {
    threshold_percent = 1
    spend_basis       = "FORECASTED_SPEND"
  }
}

# What the stack of docs/infrastructure.md finds in the cloud: its one secret, and two accounts.

locals {
  stack = {
    secrets = "external-secrets/external-secrets" # reads the one secret
    mlflow  = "mlflow/mlflow"                     # reads and writes the bucket `models`
  }
}

resource "google_service_account" "stack" {
  for_each     = local.stack
  project      = var.project
  account_id   = "${local.prefix}-${each.key}"
  display_name = "${local.prefix}: ${each.value}"
  depends_on   = [google_project_service.api]
}

resource "google_service_account_iam_member" "stack" {
  for_each           = local.stack
  service_account_id = google_service_account.stack[each.key].name
  role               = "roles/iam.workloadIdentityUser"
  member             = "serviceAccount:${var.project}.svc.id.goog[${each.value}]"
  depends_on         = [google_container_cluster.cluster] # which makes the pool
}

resource "google_storage_bucket_iam_member" "mlflow" {
  bucket = google_storage_bucket.bucket["models"].name
  role   = "roles/storage.objectUser"
  member = google_service_account.stack["mlflow"].member
}

# Empty: its value is added by `gcloud secrets versions add`, so that no state has it.
resource "google_secret_manager_secret" "stack" {
  project             = var.project
  secret_id           = "${local.prefix}-stack"
  labels              = local.labels
  deletion_protection = var.protected
  depends_on          = [google_project_service.api]
  replication {
    user_managed {
      replicas {
        location = var.region
      }
    }
  }
}

resource "google_secret_manager_secret_iam_member" "secrets" {
  project   = var.project
  secret_id = google_secret_manager_secret.stack.id
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.stack["secrets"].member
}

output "stack" {
  description = "What `make config` writes for the stack, by file."
  value = {
    "infrastructure/overlays/${var.environment}/settings/settings.yaml" = {
      data = { secret = google_secret_manager_secret.stack.secret_id }
    }
    "infrastructure/overlays/${var.environment}/settings/cloud.yaml" = {
      data = {
        project           = var.project
        bucket            = google_storage_bucket.bucket["models"].name
        backups           = "gs://${google_storage_bucket.bucket["models"].name}/backups"
        secrets-account   = google_service_account.stack["secrets"].email
        mlflow-account    = google_service_account.stack["mlflow"].email
        pipelines-account = google_service_account.account["steps"].email
      }
    }
  }
}

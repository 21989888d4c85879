# MLflow's server: Cloud Run, Cloud SQL without an address of its own, files in the bucket `models`.
# Nobody has a password: Cloud Run asks IAM who calls, and the database asks IAM who logs in.

variable "mlflow_image" {
  description = "The server's image in the registry made here; null until it is pushed."
  type        = string
  default     = null
}

variable "database_tier" {
  description = "The size of MLflow's database."
  type        = string
  default     = "db-g1-small"
}

resource "google_compute_global_address" "services" {
  project       = var.project
  name          = "${local.prefix}-services"
  purpose       = "VPC_PEERING"
  address_type  = "INTERNAL"
  prefix_length = 20
  network       = google_compute_network.network.id
}

resource "google_service_networking_connection" "services" {
  network                 = google_compute_network.network.id
  service                 = "servicenetworking.googleapis.com"
  reserved_peering_ranges = [google_compute_global_address.services.name]
  deletion_policy         = "ABANDON" # Cloud SQL holds on to it for days
}

resource "google_sql_database_instance" "mlflow" {
  project             = var.project
  region              = var.region
  name                = "${local.prefix}-mlflow"
  database_version    = "POSTGRES_18"
  deletion_protection = var.protected
  depends_on          = [google_service_networking_connection.services]
  #checkov:skip=CKV_GCP_51:set below; checkov does not follow dynamic blocks
  #checkov:skip=CKV_GCP_52:the same
  #checkov:skip=CKV_GCP_53:the same
  #checkov:skip=CKV_GCP_54:the same
  #checkov:skip=CKV_GCP_109:the same
  #checkov:skip=CKV_GCP_6:encrypted; the certificates are the proxy's
  #checkov:skip=CKV_GCP_108:the one client has no host name
  #checkov:skip=CKV_GCP_110:MLflow alone is in it: an audit would say nothing else
  #checkov:skip=CKV_GCP_111:a log line for each statement is more than anybody reads
  #checkov:skip=CKV2_GCP_13:nor for each statement's duration
  settings {
    tier                        = var.database_tier
    edition                     = "ENTERPRISE"
    availability_type           = "ZONAL"
    deletion_protection_enabled = var.protected
    disk_autoresize             = true
    user_labels                 = local.labels
    ip_configuration {
      ipv4_enabled    = false
      private_network = google_compute_network.network.id
      ssl_mode        = "ENCRYPTED_ONLY"
    }
    backup_configuration {
      enabled                        = true
      point_in_time_recovery_enabled = true
    }
    dynamic "database_flags" {
      for_each = {
        "cloudsql.iam_authentication" = "on"
        log_checkpoints               = "on"
        log_connections               = "on"
        log_disconnections            = "on"
        log_lock_waits                = "on"
        log_min_error_statement       = "error"
      }
      content {
        name  = database_flags.key
        value = database_flags.value
      }
    }
  }
}

resource "google_sql_database" "mlflow" {
  project         = var.project
  instance        = google_sql_database_instance.mlflow.name
  name            = "mlflow"
  deletion_policy = "ABANDON"
}

resource "google_sql_user" "mlflow" {
  project         = var.project
  instance        = google_sql_database_instance.mlflow.name
  name            = trimsuffix(google_service_account.account["mlflow"].email, ".gserviceaccount.com")
  type            = "CLOUD_IAM_SERVICE_ACCOUNT"
  database_roles  = ["cloudsqlsuperuser"] # it makes its tables; nothing else is in the instance
  deletion_policy = "ABANDON"
}

resource "google_project_iam_member" "mlflow" {
  for_each = toset(["roles/cloudsql.client", "roles/cloudsql.instanceUser", "roles/logging.logWriter"])
  project  = var.project
  role     = each.key
  member   = google_service_account.account["mlflow"].member
}

resource "google_storage_bucket_iam_member" "mlflow" {
  bucket = google_storage_bucket.bucket["models"].name
  role   = "roles/storage.objectUser"
  member = google_service_account.account["mlflow"].member
}

resource "google_cloud_run_v2_service" "mlflow" {
  count               = var.mlflow_image == null ? 0 : 1
  project             = var.project
  location            = var.region
  name                = "${local.prefix}-mlflow"
  labels              = local.labels
  deletion_protection = false # it holds nothing
  depends_on          = [google_project_iam_member.mlflow, google_sql_user.mlflow]
  template {
    service_account = google_service_account.account["mlflow"].email
    scaling {
      min_instance_count = 0
      max_instance_count = 2
    }
    vpc_access {
      egress = "PRIVATE_RANGES_ONLY"
      network_interfaces {
        network    = google_compute_network.network.id
        subnetwork = google_compute_subnetwork.subnet.id
      }
    }
    containers {
      name       = "mlflow"
      image      = var.mlflow_image
      depends_on = ["database"]
      ports {
        container_port = 8080
      }
      env {
        name  = "MLFLOW_BACKEND_STORE_URI"
        value = "postgresql+psycopg://${urlencode(google_sql_user.mlflow.name)}@127.0.0.1:5432/mlflow"
      }
      env {
        name  = "MLFLOW_ARTIFACTS_DESTINATION"
        value = "gs://${google_storage_bucket.bucket["models"].name}/mlflow"
      }
      resources {
        limits = { cpu = "1", memory = "2Gi" }
      }
      startup_probe {
        period_seconds    = 5
        failure_threshold = 36
        http_get {
          path = "/health"
        }
      }
    }
    # It logs in to the database as the service's account.
    containers {
      name  = "database"
      image = "gcr.io/cloud-sql-connectors/cloud-sql-proxy:2.18.2"
      args = [
        "--private-ip", "--auto-iam-authn", "--health-check", "--http-address=0.0.0.0", "--http-port=9090",
        google_sql_database_instance.mlflow.connection_name,
      ]
      startup_probe {
        period_seconds    = 2
        failure_threshold = 30
        http_get {
          path = "/startup"
          port = 9090
        }
      }
    }
  }
}

resource "google_cloud_run_v2_service_iam_member" "mlflow" {
  for_each = var.mlflow_image == null ? {} : merge(
    local.submitters, { steps = google_service_account.account["steps"].member },
  )
  project  = var.project
  location = var.region
  name     = google_cloud_run_v2_service.mlflow[0].name
  role     = "roles/run.invoker"
  member   = each.value
}

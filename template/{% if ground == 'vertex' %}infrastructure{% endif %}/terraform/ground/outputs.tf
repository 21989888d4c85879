locals {
  registry = "${var.region}-docker.pkg.dev/${var.project}/${google_artifact_registry_repository.images.name}"
}

output "files" {
  description = "What `make config` writes, by file."
  value = {
    "config/${var.environment}.yaml" = {
      vertex = {
        project         = var.project
        location        = var.region
        pipeline_root   = "gs://${google_storage_bucket.bucket["pipelines"].name}/${var.name}"
        service_account = google_service_account.account["steps"].email
      }
      registry = { tracking_uri = one(google_cloud_run_v2_service.mlflow[*].uri) }
      images   = { registry = local.registry }
    }
  }
}

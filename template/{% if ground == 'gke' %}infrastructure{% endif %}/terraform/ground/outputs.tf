locals {
  registry = "${var.region}-docker.pkg.dev/${var.project}/${google_artifact_registry_repository.images.name}"
  context  = "gke_${var.project}_${var.region}_${google_container_cluster.cluster.name}"
  config = {
    kubeflow = { pipeline_root = "gs://${google_storage_bucket.bucket["pipelines"].name}/${var.name}" }
    images   = { registry = local.registry }
  }
}

output "files" {
  description = "What `make config` writes, by file."
  value = merge(
    { "config/${var.environment}.yaml" = merge(
      local.config, var.serving_pod == null ? {} : { deploy = { context = local.context } }
    ) },
    var.serving_pod == null ? {} : {
      "deploy/overlays/${var.environment}/service-account.yaml" = {
        metadata = { annotations = {
          "iam.gke.io/gcp-service-account" = google_service_account.account["serve"].email
        } }
      }
    },
  )
}

output "login" {
  description = "What puts the cluster into your kubeconfig."
  value       = "gcloud container clusters get-credentials ${google_container_cluster.cluster.name} --project ${var.project} --region ${var.region}"
}

# What must hold, on a stand-in of the provider: `make infra-check`.

mock_provider "google" {
  mock_data "google_project" {
    defaults = { number = "123456789012" }
  }
  mock_resource "google_service_account" {
    defaults = {
      name   = "projects/acme-ml/serviceAccounts/some-account@acme-ml.iam.gserviceaccount.com"
      email  = "some-account@acme-ml.iam.gserviceaccount.com"
      member = "serviceAccount:some-account@acme-ml.iam.gserviceaccount.com"
    }
  }
  mock_resource "google_compute_network" {
    defaults = { id = "projects/acme-ml/global/networks/digits-staging" }
  }
  mock_resource "google_iam_workload_identity_pool" {
    defaults = { name = "projects/123456789012/locations/global/workloadIdentityPools/digits-staging-ci" }
  }
}

variables {
  name        = "digits"
  environment = "staging"
  project     = "acme-ml"
  region      = "europe-west4"
  repository  = "acme/digits"
}

run "closed" {
  assert {
    condition     = google_container_cluster.cluster.private_cluster_config[0].enable_private_nodes
    error_message = "Nodes have public addresses."
  }
  assert {
    condition     = google_container_cluster.cluster.deletion_protection
    error_message = "The cluster can be deleted."
  }
  assert {
    condition = alltrue([for each in google_storage_bucket.bucket :
      each.uniform_bucket_level_access && each.public_access_prevention == "enforced" && !each.force_destroy
    ])
    error_message = "A bucket can be public, or deleted with what is in it."
  }
  assert {
    condition     = google_service_account_iam_member.pod["steps"].member == "serviceAccount:acme-ml.svc.id.goog[kubeflow/pipeline-runner]"
    error_message = "Pipelines' steps have no identity."
  }
  assert {
    condition     = keys(output.files) == ["config/staging.yaml"]
    error_message = "Nothing serves, and yet there is an identity for it."
  }
}

run "serving" {
  variables {
    serving_pod = "team-vision/digits"
    protected   = false
  }
  assert {
    condition     = output.files["config/staging.yaml"].deploy.context == "gke_acme-ml_europe-west4_digits-staging"
    error_message = "The context is not what gcloud calls it."
  }
  assert {
    condition     = google_storage_bucket_iam_member.serve[0].role == "roles/storage.objectViewer"
    error_message = "Serving pods may change models."
  }
}

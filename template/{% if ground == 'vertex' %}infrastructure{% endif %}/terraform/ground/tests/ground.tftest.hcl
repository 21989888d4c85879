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
    condition = alltrue([for each in google_storage_bucket.bucket :
      each.uniform_bucket_level_access && each.public_access_prevention == "enforced" && !each.force_destroy
    ])
    error_message = "A bucket can be public, or deleted with what is in it."
  }
  assert {
    condition     = !google_sql_database_instance.mlflow.settings[0].ip_configuration[0].ipv4_enabled
    error_message = "The database has a public address."
  }
  assert {
    condition     = google_sql_database_instance.mlflow.deletion_protection
    error_message = "The database can be deleted."
  }
  assert {
    condition     = !anytrue([for each in google_project_iam_member.steps : contains(["roles/owner", "roles/editor"], each.role)])
    error_message = "Steps may do anything."
  }
  assert {
    condition     = length(google_cloud_run_v2_service.mlflow) == 0 && length(google_billing_budget.budget) == 0
    error_message = "A server without an image, or a budget that nobody asked for."
  }
}

run "with_a_server_and_a_budget" {
  variables {
    mlflow_image = "europe-west4-docker.pkg.dev/acme-ml/digits-staging/mlflow:3.17.2"
    developers   = ["group:ml@example.com"]
    protected    = false
    budget       = { billing_account = "000000-000000-000000", amount = 300, currency = "EUR" }
  }
  assert {
    condition = toset([for each in google_cloud_run_v2_service_iam_member.mlflow : each.role]) == toset(["roles/run.invoker"]) && !anytrue([
      for each in google_cloud_run_v2_service_iam_member.mlflow : startswith(each.member, "all")
    ])
    error_message = "MLflow answers people that nobody named."
  }
  assert {
    condition     = output.files["config/staging.yaml"].registry.tracking_uri != null
    error_message = "Nobody is told where MLflow is."
  }
  assert {
    condition     = google_project_iam_member.submitter["group:ml@example.com roles/aiplatform.user"].member == "group:ml@example.com"
    error_message = "Developers may not submit."
  }
}

run "a_wrong_name" {
  command = plan
  variables {
    name = "Digits_of_all_kinds"
  }
  expect_failures = [var.name]
}

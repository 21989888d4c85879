# GKE Autopilot: Google looks after the nodes, and one pays for what pods request.

variable "private_endpoint" {
  description = "Whether the API server has no public address: one then needs a way into the network."
  type        = bool
  default     = false
}

variable "authorized_networks" {
  description = "From where the API server's public address answers: CIDR blocks by their names."
  type        = map(string)
  default     = {}
}

variable "pipeline_pod" {
  description = "The Kubernetes service account of pipelines' steps: namespace/name."
  type        = string
  default     = "kubeflow/pipeline-runner"
}

variable "serving_pod" {
  description = "The Kubernetes service account of the pods that serve: namespace/name; null is none."
  type        = string
  default     = null
}

locals {
  more_apis = toset(["container"])
  more_accounts = merge(
    { nodes = "runs the nodes" },
    var.serving_pod == null ? {} : { serve = "reads the models that it serves" },
  )
  ranges  = { pods = "10.20.0.0/16", services = "10.30.0.0/20" }
  readers = { nodes = google_service_account.account["nodes"].member }
  pods = merge(
    { steps = var.pipeline_pod }, var.serving_pod == null ? {} : { serve = var.serving_pod },
  )
}

resource "google_project_iam_member" "nodes" {
  project = var.project
  role    = "roles/container.defaultNodeServiceAccount"
  member  = google_service_account.account["nodes"].member
}

resource "google_compute_router" "router" {
  project = var.project
  region  = var.region
  name    = local.prefix
  network = google_compute_network.network.id
}

# Nodes have no public address; they reach the registries of the world through this.
resource "google_compute_router_nat" "nat" {
  project                            = var.project
  region                             = var.region
  name                               = local.prefix
  router                             = google_compute_router.router.name
  nat_ip_allocate_option             = "AUTO_ONLY"
  source_subnetwork_ip_ranges_to_nat = "ALL_SUBNETWORKS_ALL_IP_RANGES"
}

resource "google_container_cluster" "cluster" {
  project             = var.project
  location            = var.region
  name                = local.prefix
  enable_autopilot    = true
  deletion_protection = var.protected
  network             = google_compute_network.network.id
  subnetwork          = google_compute_subnetwork.subnet.id
  resource_labels     = local.labels
  depends_on          = [google_project_iam_member.nodes, google_project_service.api]
  #checkov:skip=CKV_GCP_12:Autopilot has network policies by Dataplane V2
  #checkov:skip=CKV_GCP_61:Autopilot's networks are logged by its own policies
  #checkov:skip=CKV_GCP_64:its nodes are private below
  #checkov:skip=CKV_GCP_65:access is by IAM; groups in RBAC need a domain's own Workspace
  #checkov:skip=CKV_GCP_66:binary authorization needs a policy of one's own
  #checkov:skip=CKV_GCP_68:Autopilot's nodes have secure boot
  #checkov:skip=CKV_GCP_69:Autopilot hides the metadata server
  release_channel {
    channel = "REGULAR"
  }
  ip_allocation_policy {
    cluster_secondary_range_name  = "pods"
    services_secondary_range_name = "services"
  }
  private_cluster_config {
    enable_private_nodes    = true
    enable_private_endpoint = var.private_endpoint
  }
  master_authorized_networks_config {
    dynamic "cidr_blocks" {
      for_each = var.authorized_networks
      content {
        display_name = cidr_blocks.key
        cidr_block   = cidr_blocks.value
      }
    }
  }
  master_auth {
    client_certificate_config {
      issue_client_certificate = false
    }
  }
  cluster_autoscaling {
    auto_provisioning_defaults {
      service_account = google_service_account.account["nodes"].email
    }
  }
}

# Which Kubernetes service account acts as which Google one. No key is made.
resource "google_service_account_iam_member" "pod" {
  for_each           = local.pods
  service_account_id = google_service_account.account[each.key].name
  role               = "roles/iam.workloadIdentityUser"
  member             = "serviceAccount:${var.project}.svc.id.goog[${each.value}]"
  depends_on         = [google_container_cluster.cluster] # which makes the pool
}

resource "google_storage_bucket_iam_member" "serve" {
  count  = var.serving_pod == null ? 0 : 1
  bucket = google_storage_bucket.bucket["models"].name
  role   = "roles/storage.objectViewer"
  member = google_service_account.account["serve"].member
}

resource "google_project_iam_member" "developer" {
  for_each = toset(var.developers)
  project  = var.project
  role     = "roles/container.developer"
  member   = each.value
}

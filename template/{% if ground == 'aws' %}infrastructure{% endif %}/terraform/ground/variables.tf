variable "images" {
  description = "The repositories of images: ECR makes none by itself."
  type        = list(string)
}

variable "developers" {
  description = "The IAM roles of who works in the cluster."
  type        = list(string)
  default     = []
}

variable "authorized_networks" {
  description = "From where the API server's public address answers, as CIDR blocks; empty is no such address."
  type        = list(string)
  default     = []
}

variable "nodes" {
  description = "The cluster's machines."
  type        = object({ types = list(string), min = number, max = number })
  default     = { types = ["m7i.xlarge"], min = 2, max = 5 }
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

variable "database" {
  description = "The size of a PostgreSQL database for MLflow, such as db.t4g.small; null is none."
  type        = string
  default     = null
}

variable "budget" {
  description = "Of the account's month, in USD, and whom it tells; null is no alert."
  type        = object({ amount = number, emails = list(string) })
  default     = null
}

variable "unique" {
  description = "What makes names unique in the world: of the storage account, the registry, the vault."
  type        = string
  validation {
    condition     = can(regex("^[a-z0-9]{2,3}$", var.unique))
    error_message = "Two or three small letters and digits."
  }
}

variable "location" {
  description = "Where everything is, such as westeurope."
  type        = string
}

variable "developers" {
  description = "Who works in the cluster: object ids of groups."
  type        = list(string)
  default     = []
}

variable "authorized_networks" {
  description = "From where API server, store and vault answer, as CIDR blocks up to /30; empty is a private cluster."
  type        = list(string)
  default     = []
}

variable "nodes" {
  description = "The cluster's machines."
  type        = object({ size = string, min = number, max = number })
  default     = { size = "Standard_D4ds_v5", min = 2, max = 5 }
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
  description = "The size of a PostgreSQL database for MLflow, such as B_Standard_B1ms; null is none."
  type        = string
  default     = null
}

variable "database_password" {
  description = "The database's, from TF_VAR_database_password: neither plan nor state has it."
  type        = string
  default     = null
  ephemeral   = true
  sensitive   = true
}

variable "budget" {
  description = "Of the resource group's month, from the first day of one, and whom it tells; null is no alert."
  type        = object({ amount = number, emails = list(string), start = string })
  default     = null
}

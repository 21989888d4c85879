variable "name" {
  description = "What the names of everything here begin with: unique in the cloud project or account."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,9}[a-z0-9]$", var.name))
    error_message = "Two to eleven small letters, digits and dashes, a letter first."
  }
}

variable "environment" {
  description = "Whose configuration this becomes: config/<environment>.yaml."
  type        = string
  validation {
    condition     = can(regex("^[a-z]{2,10}$", var.environment))
    error_message = "Two to ten small letters."
  }
}

variable "protected" {
  description = "Whether what holds data can be deleted only after this was false in an apply."
  type        = bool
  default     = true
}

locals {
  prefix = "${var.name}-${var.environment}"
}

output "protected" {
  description = "Whether `make infra-destroy` stops at it."
  value       = var.protected
}

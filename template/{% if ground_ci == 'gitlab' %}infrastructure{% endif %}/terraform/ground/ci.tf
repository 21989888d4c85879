# Whom GitLab's tokens are for: pipelines of the one branch, which GitLab should protect.

variable "gitlab" {
  description = "GitLab's address."
  type        = string
  default     = "https://gitlab.com"
}

variable "repository" {
  description = "Whose pipelines log in: group/name."
  type        = string
  validation {
    condition     = can(regex("^[\\w.-]+(/[\\w.-]+)+$", var.repository))
    error_message = "Expected group/name."
  }
}

variable "branch" {
  description = "The protected branch whose pipelines push images and submit."
  type        = string
  default     = "main"
}

locals {
  ci_issuer   = var.gitlab
  ci_subject  = "project_path:${var.repository}:ref_type:branch:ref:${var.branch}"
  ci_subjects = { images = local.ci_subject, submit = local.ci_subject }
}

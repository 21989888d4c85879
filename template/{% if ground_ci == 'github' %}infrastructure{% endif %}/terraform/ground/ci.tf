# Whom GitHub's tokens are for. Images are pushed from the branch; what the environment guards in
# GitHub is done by jobs of that environment alone.

variable "repository" {
  description = "Whose workflows log in: owner/name."
  type        = string
  validation {
    condition     = can(regex("^[\\w.-]+/[\\w.-]+$", var.repository))
    error_message = "Expected owner/name."
  }
}

variable "branch" {
  description = "The branch whose workflows push images."
  type        = string
  default     = "main"
}

locals {
  ci_issuer = "https://token.actions.githubusercontent.com"
  ci_subjects = {
    images = "repo:${var.repository}:ref:refs/heads/${var.branch}"
    submit = "repo:${var.repository}:environment:${var.environment}"
  }
}

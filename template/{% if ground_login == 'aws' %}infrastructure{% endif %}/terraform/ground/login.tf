# The CI takes a role with its own identity, to push images. No key is made.

variable "new_provider" {
  description = "Whether the account has no OpenID Connect provider of this CI yet: it can have one."
  type        = bool
  default     = true
}

locals {
  ci_host     = trimprefix(local.ci_issuer, "https://")
  ci_audience = local.ci_host == "token.actions.githubusercontent.com" ? "sts.amazonaws.com" : local.ci_issuer
}

resource "aws_iam_openid_connect_provider" "ci" {
  count          = var.new_provider ? 1 : 0
  url            = local.ci_issuer
  client_id_list = [local.ci_audience]
}

data "aws_iam_policy_document" "ci" {
  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]
    principals {
      type        = "Federated"
      identifiers = ["arn:${data.aws_partition.this.partition}:iam::${data.aws_caller_identity.this.account_id}:oidc-provider/${local.ci_host}"]
    }
    condition {
      test     = "StringEquals"
      variable = "${local.ci_host}:sub"
      values   = [local.ci_subjects.images]
    }
    condition {
      test     = "StringEquals"
      variable = "${local.ci_host}:aud"
      values   = [local.ci_audience]
    }
  }
}

resource "aws_iam_role" "images" {
  name               = "${local.prefix}-images"
  assume_role_policy = data.aws_iam_policy_document.ci.json
}

data "aws_iam_policy_document" "push" {
  statement {
    actions   = ["ecr:GetAuthorizationToken"] # it is for the whole account, and gives no right
    resources = ["*"]
  }
  statement {
    actions = [
      "ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:CompleteLayerUpload",
      "ecr:GetDownloadUrlForLayer", "ecr:InitiateLayerUpload", "ecr:PutImage", "ecr:UploadLayerPart",
    ]
    resources = [for each in aws_ecr_repository.image : each.arn]
  }
}

resource "aws_iam_role_policy" "images" {
  role   = aws_iam_role.images.name
  policy = data.aws_iam_policy_document.push.json
}

output "ci" {
  description = "The CI's variables."
  value       = { REGISTRY = local.registry, IMAGES_ROLE = aws_iam_role.images.arn }
}

# What the stack of docs/infrastructure.md finds in the cloud: its one secret, and two roles.

locals {
  stack = {
    secrets = { pod = "external-secrets/external-secrets", policy = data.aws_iam_policy_document.secret.json }
    mlflow  = { pod = "mlflow/mlflow", policy = data.aws_iam_policy_document.mlflow.json }
  }
}

# Empty: its value is added by `aws secretsmanager put-secret-value`, so that no state has it.
resource "aws_secretsmanager_secret" "stack" {
  name                    = "${local.prefix}-stack"
  recovery_window_in_days = var.protected ? 30 : 7
  #checkov:skip=CKV_AWS_149:AWS's own key encrypts it
  #checkov:skip=CKV2_AWS_57:its passwords are rotated by hand: docs/infrastructure.md
}

data "aws_iam_policy_document" "secret" {
  statement {
    actions   = ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"]
    resources = [aws_secretsmanager_secret.stack.arn]
  }
}

data "aws_iam_policy_document" "mlflow" {
  statement {
    actions   = ["s3:ListBucket", "s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]
    resources = [aws_s3_bucket.bucket["models"].arn, "${aws_s3_bucket.bucket["models"].arn}/*"]
  }
}

data "aws_iam_policy_document" "stack" {
  for_each = local.stack
  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]
    principals {
      type        = "Federated"
      identifiers = [aws_iam_openid_connect_provider.cluster.arn]
    }
    condition {
      test     = "StringEquals"
      variable = "${local.issuer}:sub"
      values   = ["system:serviceaccount:${replace(each.value.pod, "/", ":")}"]
    }
  }
}

resource "aws_iam_role" "stack" {
  for_each           = local.stack
  name               = "${local.prefix}-${each.key}"
  assume_role_policy = data.aws_iam_policy_document.stack[each.key].json
}

resource "aws_iam_role_policy" "stack" {
  for_each = local.stack
  role     = aws_iam_role.stack[each.key].name
  policy   = each.value.policy
}

output "stack" {
  description = "What `make config` writes for the stack, by file."
  value = {
    "infrastructure/overlays/${var.environment}/settings/settings.yaml" = {
      data = { secret = aws_secretsmanager_secret.stack.name }
    }
    "infrastructure/overlays/${var.environment}/settings/cloud.yaml" = {
      data = {
        region         = local.region
        bucket         = aws_s3_bucket.bucket["models"].id
        backups        = "s3://${aws_s3_bucket.bucket["models"].id}/backups"
        secrets-role   = aws_iam_role.stack["secrets"].arn
        mlflow-role    = aws_iam_role.stack["mlflow"].arn
        pipelines-role = aws_iam_role.pod["steps"].arn
      }
    }
  }
}

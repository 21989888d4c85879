# Two buckets, repositories of images, the role that pushes them, a budget.

data "aws_caller_identity" "this" {}
data "aws_partition" "this" {}
data "aws_region" "this" {}

locals {
  region = data.aws_region.this.id
}

# `pipelines` holds what runs write; `models` MLflow's artifacts and what is served.
resource "aws_s3_bucket" "bucket" {
  for_each      = toset(["pipelines", "models"])
  bucket        = "${data.aws_caller_identity.this.account_id}-${local.prefix}-${each.key}"
  force_destroy = !var.protected
  #checkov:skip=CKV_AWS_21:versioned below; checkov does not follow for_each
  #checkov:skip=CKV2_AWS_6:closed below; checkov does not follow for_each
  #checkov:skip=CKV2_AWS_61:its lifecycle is below; checkov does not follow for_each
  #checkov:skip=CKV_AWS_18:access is in CloudTrail, where it is switched on; a log bucket is one more
  #checkov:skip=CKV_AWS_144:a copy in another region doubles the price
  #checkov:skip=CKV_AWS_145:S3's own keys encrypt it; a key of one's own is a decision of one's own
  #checkov:skip=CKV2_AWS_62:nothing here listens to events
}

resource "aws_s3_bucket_public_access_block" "bucket" {
  for_each                = aws_s3_bucket.bucket
  bucket                  = each.value.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_versioning" "bucket" {
  for_each = aws_s3_bucket.bucket
  bucket   = each.value.id
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "bucket" {
  for_each = aws_s3_bucket_versioning.bucket
  bucket   = each.value.bucket
  rule {
    id     = "old-versions"
    status = "Enabled"
    filter {}
    noncurrent_version_expiration {
      noncurrent_days = 30
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }
}

data "aws_iam_policy_document" "tls" {
  for_each = aws_s3_bucket.bucket
  statement {
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [each.value.arn, "${each.value.arn}/*"]
    principals {
      type        = "*"
      identifiers = ["*"]
    }
    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_s3_bucket_policy" "tls" {
  for_each   = aws_s3_bucket.bucket
  bucket     = each.value.id
  policy     = data.aws_iam_policy_document.tls[each.key].json
  depends_on = [aws_s3_bucket_public_access_block.bucket]
}

resource "aws_ecr_repository" "image" {
  for_each     = toset(var.images)
  name         = "${local.prefix}/${each.key}"
  force_delete = !var.protected
  #checkov:skip=CKV_AWS_51:tags such as `stable` move; what runs is pinned by its digest
  #checkov:skip=CKV_AWS_136:ECR's own keys encrypt it
  image_scanning_configuration {
    scan_on_push = true
  }
}

resource "aws_ecr_lifecycle_policy" "image" {
  for_each   = aws_ecr_repository.image
  repository = each.value.name
  policy = jsonencode({ rules = [{
    rulePriority = 1
    description  = "untagged"
    selection    = { tagStatus = "untagged", countType = "sinceImagePushed", countUnit = "days", countNumber = 30 }
    action       = { type = "expire" }
  }] })
}

# It tells; it stops nothing.
resource "aws_budgets_budget" "budget" {
  count        = var.budget == null ? 0 : 1
  name         = local.prefix
  budget_type  = "COST"
  limit_amount = tostring(var.budget.amount)
  limit_unit   = "USD"
  time_unit    = "MONTHLY"
  dynamic "notification" {
    for_each = { ACTUAL = 90, FORECASTED = 100 }
    content {
      notification_type          = notification.key
      comparison_operator        = "GREATER_THAN"
      threshold                  = notification.value
      threshold_type             = "PERCENTAGE"
      subscriber_email_addresses = var.budget.emails
    }
  }
}

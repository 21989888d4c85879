# What must hold, on a stand-in of the provider: `make infra-check`.

mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_data "aws_region" {
    defaults = { id = "eu-central-1" }
  }
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/some" }
  }
  mock_resource "aws_eks_cluster" {
    defaults = {
      arn      = "arn:aws:eks:eu-central-1:123456789012:cluster/digits-staging"
      identity = [{ oidc = [{ issuer = "https://oidc.eks.eu-central-1.amazonaws.com/id/A1" }] }]
    }
  }
  mock_resource "aws_iam_openid_connect_provider" {
    defaults = { arn = "arn:aws:iam::123456789012:oidc-provider/oidc.eks.eu-central-1.amazonaws.com/id/A1" }
  }
  mock_resource "aws_launch_template" {
    defaults = { id = "lt-0123456789abcdef0", latest_version = 1 }
  }
  mock_resource "aws_secretsmanager_secret" {
    defaults = { arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:digits" }
  }
  mock_resource "aws_db_instance" {
    defaults = { master_user_secret = [{ secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:db" }] }
  }
}

variables {
  name        = "digits"
  environment = "staging"
  repository  = "acme/digits"
  images      = ["digits-pipeline", "digits-serving"]
}

run "closed" {
  assert {
    condition     = !aws_eks_cluster.cluster.vpc_config[0].endpoint_public_access
    error_message = "The API server has a public address that nobody asked for."
  }
  assert {
    condition = alltrue([for each in aws_s3_bucket_public_access_block.bucket :
      each.block_public_acls && each.block_public_policy && each.ignore_public_acls && each.restrict_public_buckets
    ]) && !anytrue([for each in aws_s3_bucket.bucket : each.force_destroy])
    error_message = "A bucket can be public, or deleted with what is in it."
  }
  assert {
    condition     = aws_launch_template.nodes.metadata_options[0].http_tokens == "required"
    error_message = "Pods can take the node's role."
  }
  assert {
    condition     = length(aws_db_instance.database) == 0 && output.database == null
    error_message = "A database that nobody asked for."
  }
}

run "with_a_database_and_serving" {
  variables {
    database            = "db.t4g.small"
    serving_pod         = "team-vision/digits"
    authorized_networks = ["192.0.2.0/24"]
    budget              = { amount = 500, emails = ["platform@example.com"] }
  }
  assert {
    condition = alltrue([for each in aws_db_instance.database :
      each.storage_encrypted && !each.publicly_accessible && each.deletion_protection && each.manage_master_user_password && !each.skip_final_snapshot
    ])
    error_message = "The database is public, plain, or can be deleted."
  }
  assert {
    condition     = tolist(aws_eks_cluster.cluster.vpc_config[0].public_access_cidrs) == tolist(["192.0.2.0/24"])
    error_message = "The API server answers more than was asked for."
  }
  assert {
    condition     = output.files["deploy/overlays/staging/service-account.yaml"].metadata.annotations["eks.amazonaws.com/role-arn"] == aws_iam_role.pod["serve"].arn
    error_message = "Serving pods have no role."
  }
}

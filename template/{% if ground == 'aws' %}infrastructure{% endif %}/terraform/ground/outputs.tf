locals {
  registry = "${data.aws_caller_identity.this.account_id}.dkr.ecr.${local.region}.amazonaws.com/${local.prefix}"
  config = {
    kubeflow = { pipeline_root = "s3://${aws_s3_bucket.bucket["pipelines"].id}/${var.name}" }
    images   = { registry = local.registry }
  }
}

output "files" {
  description = "What `make config` writes, by file."
  value = merge(
    { "config/${var.environment}.yaml" = merge(
      local.config, var.serving_pod == null ? {} : { deploy = { context = aws_eks_cluster.cluster.arn } }
    ) },
    var.serving_pod == null ? {} : {
      "deploy/overlays/${var.environment}/service-account.yaml" = {
        metadata = { annotations = { "eks.amazonaws.com/role-arn" = aws_iam_role.pod["serve"].arn } }
      }
    },
  )
}

output "login" {
  description = "What puts the cluster into your kubeconfig."
  value       = "aws eks update-kubeconfig --region ${local.region} --name ${aws_eks_cluster.cluster.name}"
}

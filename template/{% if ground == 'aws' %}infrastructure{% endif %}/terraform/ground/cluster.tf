# EKS with its add-ons, and the roles of pods by the cluster's own OpenID Connect (IRSA).

locals {
  eks_roles = {
    cluster = { service = "eks.amazonaws.com", policies = ["AmazonEKSClusterPolicy"] }
    nodes = { service = "ec2.amazonaws.com", policies = [
      "AmazonEKSWorkerNodePolicy", "AmazonEKS_CNI_Policy", "AmazonEC2ContainerRegistryPullOnly",
    ] }
  }
  policies = "arn:${data.aws_partition.this.partition}:iam::aws:policy"
  issuer   = trimprefix(aws_eks_cluster.cluster.identity[0].oidc[0].issuer, "https://")
  pods = merge(
    { steps = var.pipeline_pod, disks = "kube-system/ebs-csi-controller-sa" },
    var.serving_pod == null ? {} : { serve = var.serving_pod },
  )
}

resource "aws_iam_role" "eks" {
  for_each = local.eks_roles
  name     = "${local.prefix}-${each.key}"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = each.value.service } }]
  })
}

resource "aws_iam_role_policy_attachment" "eks" {
  for_each = merge([for role, each in local.eks_roles : { for policy in each.policies : policy => role }]...)

  role       = aws_iam_role.eks[each.value].name
  policy_arn = "${local.policies}/${each.key}"
}

resource "aws_cloudwatch_log_group" "cluster" {
  name              = "/aws/eks/${local.prefix}/cluster"
  retention_in_days = 30
  #checkov:skip=CKV_AWS_158:CloudWatch's own keys encrypt it
  #checkov:skip=CKV_AWS_338:30 days are what an incident needs
}

resource "aws_eks_cluster" "cluster" {
  name                          = local.prefix
  role_arn                      = aws_iam_role.eks["cluster"].arn
  bootstrap_self_managed_addons = false
  enabled_cluster_log_types     = ["api", "audit", "authenticator", "controllerManager", "scheduler"]
  depends_on                    = [aws_iam_role_policy_attachment.eks, aws_cloudwatch_log_group.cluster]
  #checkov:skip=CKV_AWS_39:only from authorized_networks; without them there is no public address
  #checkov:skip=CKV_AWS_58:EKS encrypts all of its API's data with a key of AWS
  access_config {
    authentication_mode                         = "API"
    bootstrap_cluster_creator_admin_permissions = true
  }
  vpc_config {
    subnet_ids              = [for each in aws_subnet.private : each.id]
    endpoint_private_access = true
    endpoint_public_access  = length(var.authorized_networks) > 0
    public_access_cidrs     = length(var.authorized_networks) > 0 ? var.authorized_networks : null
  }
}

resource "aws_eks_access_entry" "developer" {
  for_each      = toset(var.developers)
  cluster_name  = aws_eks_cluster.cluster.name
  principal_arn = each.value
}

resource "aws_eks_access_policy_association" "developer" {
  for_each      = aws_eks_access_entry.developer
  cluster_name  = aws_eks_cluster.cluster.name
  principal_arn = each.value.principal_arn
  policy_arn    = "arn:${data.aws_partition.this.partition}:eks::aws:cluster-access-policy/AmazonEKSEditPolicy"
  access_scope {
    type = "cluster"
  }
}

resource "aws_eks_addon" "before" {
  for_each     = toset(["vpc-cni", "kube-proxy"])
  cluster_name = aws_eks_cluster.cluster.name
  addon_name   = each.key
}

resource "aws_launch_template" "nodes" {
  name_prefix = "${local.prefix}-"
  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1 # pods do not get the node's role
  }
  block_device_mappings {
    device_name = "/dev/xvda"
    ebs {
      volume_size = 100
      volume_type = "gp3"
      encrypted   = true
    }
  }
}

resource "aws_eks_node_group" "nodes" {
  cluster_name    = aws_eks_cluster.cluster.name
  node_group_name = "nodes"
  node_role_arn   = aws_iam_role.eks["nodes"].arn
  subnet_ids      = [for each in aws_subnet.private : each.id]
  instance_types  = var.nodes.types
  depends_on      = [aws_eks_addon.before, aws_iam_role_policy_attachment.eks]
  launch_template {
    id      = aws_launch_template.nodes.id
    version = aws_launch_template.nodes.latest_version
  }
  scaling_config {
    min_size     = var.nodes.min
    max_size     = var.nodes.max
    desired_size = var.nodes.min
  }
  lifecycle {
    ignore_changes = [scaling_config[0].desired_size]
  }
}

resource "aws_eks_addon" "after" {
  for_each                 = { coredns = null, metrics-server = null, aws-ebs-csi-driver = aws_iam_role.pod["disks"].arn }
  cluster_name             = aws_eks_cluster.cluster.name
  addon_name               = each.key
  service_account_role_arn = each.value
  depends_on               = [aws_eks_node_group.nodes]
}

resource "aws_iam_openid_connect_provider" "cluster" {
  url            = aws_eks_cluster.cluster.identity[0].oidc[0].issuer
  client_id_list = ["sts.amazonaws.com"]
}

data "aws_iam_policy_document" "pod" {
  for_each = local.pods
  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]
    principals {
      type        = "Federated"
      identifiers = [aws_iam_openid_connect_provider.cluster.arn]
    }
    condition {
      test     = "StringEquals"
      variable = "${local.issuer}:sub"
      values   = ["system:serviceaccount:${replace(each.value, "/", ":")}"]
    }
    condition {
      test     = "StringEquals"
      variable = "${local.issuer}:aud"
      values   = ["sts.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "pod" {
  for_each           = local.pods
  name               = "${local.prefix}-${each.key}"
  assume_role_policy = data.aws_iam_policy_document.pod[each.key].json
}

resource "aws_iam_role_policy_attachment" "disks" {
  role       = aws_iam_role.pod["disks"].name
  policy_arn = "${local.policies}/service-role/AmazonEBSCSIDriverPolicy"
}

data "aws_iam_policy_document" "writer" {
  statement {
    actions   = ["s3:ListBucket"]
    resources = [for each in aws_s3_bucket.bucket : each.arn]
  }
  statement {
    actions   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]
    resources = [for each in aws_s3_bucket.bucket : "${each.arn}/*"]
  }
}

resource "aws_iam_role_policy" "steps" {
  role   = aws_iam_role.pod["steps"].name
  policy = data.aws_iam_policy_document.writer.json
}

data "aws_iam_policy_document" "reader" {
  statement {
    actions   = ["s3:ListBucket", "s3:GetObject"]
    resources = [aws_s3_bucket.bucket["models"].arn, "${aws_s3_bucket.bucket["models"].arn}/*"]
  }
}

resource "aws_iam_role_policy" "serve" {
  count  = var.serving_pod == null ? 0 : 1
  role   = aws_iam_role.pod["serve"].name
  policy = data.aws_iam_policy_document.reader.json
}

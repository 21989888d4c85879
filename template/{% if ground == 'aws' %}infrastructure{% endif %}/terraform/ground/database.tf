# A database for MLflow, where the cluster is not to have one. AWS makes and keeps its password: it is in
# no state, and in the Secrets Manager.

resource "aws_security_group" "database" {
  count       = var.database == null ? 0 : 1
  name        = "${local.prefix}-database"
  description = "PostgreSQL, from the nodes"
  vpc_id      = aws_vpc.vpc.id
  ingress {
    description     = "PostgreSQL"
    protocol        = "tcp"
    from_port       = 5432
    to_port         = 5432
    security_groups = [aws_eks_cluster.cluster.vpc_config[0].cluster_security_group_id]
  }
}

resource "aws_db_subnet_group" "database" {
  count      = var.database == null ? 0 : 1
  name       = local.prefix
  subnet_ids = [for each in aws_subnet.private : each.id]
}

resource "aws_db_instance" "database" {
  count                               = var.database == null ? 0 : 1
  identifier                          = local.prefix
  engine                              = "postgres"
  engine_version                      = "17"
  instance_class                      = var.database
  allocated_storage                   = 20
  max_allocated_storage               = 100
  storage_encrypted                   = true
  db_name                             = "mlflow"
  username                            = "mlflow"
  manage_master_user_password         = true
  iam_database_authentication_enabled = true
  publicly_accessible                 = false
  db_subnet_group_name                = aws_db_subnet_group.database[0].name
  vpc_security_group_ids              = [aws_security_group.database[0].id]
  backup_retention_period             = 7
  copy_tags_to_snapshot               = true
  auto_minor_version_upgrade          = true
  deletion_protection                 = var.protected
  skip_final_snapshot                 = !var.protected
  final_snapshot_identifier           = "${local.prefix}-final"
  enabled_cloudwatch_logs_exports     = ["postgresql", "upgrade"]
  #checkov:skip=CKV_AWS_118:enhanced monitoring is paid by the metric
  #checkov:skip=CKV_AWS_157:a second zone doubles the price; MLflow may wait for a restore
  #checkov:skip=CKV_AWS_353:Performance Insights are switched on where they are read
  #checkov:skip=CKV2_AWS_30:a log line a query is more than anybody reads
  #checkov:skip=CKV2_AWS_60:tags are copied
}

output "database" {
  description = "Where the database is, and the secret that holds its password."
  value = one([for each in aws_db_instance.database : {
    host = each.address, secret = each.master_user_secret[0].secret_arn,
  }])
}

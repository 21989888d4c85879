# Two zones: nodes and databases have private addresses, and go out through one NAT gateway.

variable "zones" {
  description = "Two zones of the region, by their letters."
  type        = list(string)
  default     = ["a", "b"]
}

locals {
  zones = { for index, letter in var.zones : index => "${local.region}${letter}" }
}

resource "aws_vpc" "vpc" {
  cidr_block           = "10.10.0.0/16"
  enable_dns_hostnames = true
  tags                 = { Name = local.prefix }
  #checkov:skip=CKV2_AWS_11:flow logs cost by the gigabyte; switch them on where they are read
}

resource "aws_default_security_group" "closed" {
  vpc_id = aws_vpc.vpc.id
}

resource "aws_subnet" "private" {
  for_each          = local.zones
  vpc_id            = aws_vpc.vpc.id
  availability_zone = each.value
  cidr_block        = cidrsubnet(aws_vpc.vpc.cidr_block, 3, each.key)
  tags              = { Name = "${local.prefix}-private-${each.key}", "kubernetes.io/role/internal-elb" = "1" }
}

resource "aws_subnet" "public" {
  for_each          = local.zones
  vpc_id            = aws_vpc.vpc.id
  availability_zone = each.value
  cidr_block        = cidrsubnet(aws_vpc.vpc.cidr_block, 6, 32 + each.key)
  tags              = { Name = "${local.prefix}-public-${each.key}", "kubernetes.io/role/elb" = "1" }
}

resource "aws_internet_gateway" "gateway" {
  vpc_id = aws_vpc.vpc.id
}

resource "aws_eip" "nat" {
  domain = "vpc"
  #checkov:skip=CKV2_AWS_19:it is the NAT gateway's
}

resource "aws_nat_gateway" "nat" {
  allocation_id = aws_eip.nat.id
  subnet_id     = aws_subnet.public[0].id
  depends_on    = [aws_internet_gateway.gateway]
}

resource "aws_route_table" "route" {
  for_each = { private = aws_nat_gateway.nat.id, public = aws_internet_gateway.gateway.id }
  vpc_id   = aws_vpc.vpc.id
  route {
    cidr_block     = "0.0.0.0/0"
    nat_gateway_id = each.key == "private" ? each.value : null
    gateway_id     = each.key == "public" ? each.value : null
  }
}

resource "aws_route_table_association" "private" {
  for_each       = aws_subnet.private
  subnet_id      = each.value.id
  route_table_id = aws_route_table.route["private"].id
}

resource "aws_route_table_association" "public" {
  for_each       = aws_subnet.public
  subnet_id      = each.value.id
  route_table_id = aws_route_table.route["public"].id
}

# What goes to S3 is neither seen by the NAT gateway nor paid there.
resource "aws_vpc_endpoint" "s3" {
  vpc_id          = aws_vpc.vpc.id
  service_name    = "com.amazonaws.${local.region}.s3"
  route_table_ids = [aws_route_table.route["private"].id]
}

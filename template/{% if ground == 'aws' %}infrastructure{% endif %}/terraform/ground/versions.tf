terraform {
  required_version = ">= 1.11" # the state's lock is a file in its bucket
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 7"
    }
  }
}

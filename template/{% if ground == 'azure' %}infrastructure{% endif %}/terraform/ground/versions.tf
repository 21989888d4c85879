terraform {
  required_version = ">= 1.11" # the database's password is handed on, and in no state
  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = "~> 5.2"
    }
  }
}

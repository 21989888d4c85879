# A resource group, a network, the store of models, the registry, pods' identities, a budget.

data "azurerm_client_config" "this" {}

locals {
  world = "${replace(local.prefix, "-", "")}${var.unique}"
  tags  = { name = var.name, environment = var.environment, managed-by = "terraform" }
}

resource "azurerm_resource_group" "group" {
  name     = local.prefix
  location = var.location
  tags     = local.tags
}

resource "azurerm_virtual_network" "network" {
  name                = local.prefix
  resource_group_name = azurerm_resource_group.group.name
  location            = var.location
  address_space       = ["10.10.0.0/16"]
  tags                = local.tags
}

resource "azurerm_subnet" "nodes" {
  name                 = "nodes"
  resource_group_name  = azurerm_resource_group.group.name
  virtual_network_name = azurerm_virtual_network.network.name
  address_prefixes     = ["10.10.0.0/20"]
  #checkov:skip=CKV2_AZURE_31:AKS makes the nodes' security group and owns it
  dynamic "service_endpoint" {
    for_each = ["Microsoft.KeyVault", "Microsoft.Storage"]
    content {
      service = service_endpoint.value
    }
  }
}

# MLflow's artifacts and what is served. It answers the nodes and the authorized networks alone.
resource "azurerm_storage_account" "store" {
  name                              = local.world
  resource_group_name               = azurerm_resource_group.group.name
  location                          = var.location
  account_tier                      = "Standard"
  account_replication_type          = var.protected ? "ZRS" : "LRS"
  min_tls_version                   = "TLS1_2"
  allow_nested_items_to_be_public   = false
  shared_access_key_enabled         = false
  default_to_oauth_authentication   = true
  infrastructure_encryption_enabled = true
  tags                              = local.tags
  #checkov:skip=CKV_AZURE_33:nothing here has queues
  #checkov:skip=CKV_AZURE_59:its firewall below lets nobody else in
  #checkov:skip=CKV_AZURE_206:a copy in another region doubles the price
  #checkov:skip=CKV2_AZURE_1:Azure's keys encrypt it; a key of one's own is a decision of one's own
  #checkov:skip=CKV2_AZURE_21:reads are logged where a workspace of Log Analytics is
  #checkov:skip=CKV2_AZURE_33:a service endpoint in place of a private one, which is paid by the hour
  #checkov:skip=CKV2_AZURE_40:shared keys are off
  #checkov:skip=CKV2_AZURE_41:no SAS without shared keys
  network_rules {
    default_action             = "Deny"
    bypass                     = ["AzureServices"]
    ip_rules                   = var.authorized_networks
    virtual_network_subnet_ids = [azurerm_subnet.nodes.id]
  }
  blob_properties {
    versioning_enabled = true
    delete_retention_policy {
      days = 30
    }
    container_delete_retention_policy {
      days = 30
    }
  }
}

resource "azurerm_storage_container" "models" {
  name                  = "models"
  storage_account_id    = azurerm_storage_account.store.id
  container_access_type = "private"
  #checkov:skip=CKV2_AZURE_21:reads are logged where a workspace of Log Analytics is
}

resource "azurerm_management_lock" "store" {
  count      = var.protected ? 1 : 0
  name       = "keep"
  scope      = azurerm_storage_account.store.id
  lock_level = "CanNotDelete"
  notes      = "It holds the models: set `protected` to false first."
}

resource "azurerm_container_registry" "registry" {
  name                   = local.world
  resource_group_name    = azurerm_resource_group.group.name
  location               = var.location
  sku                    = "Standard"
  admin_enabled          = false
  anonymous_pull_enabled = false
  tags                   = local.tags
  #checkov:skip=CKV_AZURE_139:a private registry is Premium: ten times the price
  #checkov:skip=CKV_AZURE_163:scanning is Defender's
  #checkov:skip=CKV_AZURE_164:signatures are cosign's
  #checkov:skip=CKV_AZURE_165:one region
  #checkov:skip=CKV_AZURE_166:quarantine is Premium's
  #checkov:skip=CKV_AZURE_167:retention is Premium's
  #checkov:skip=CKV_AZURE_233:zones are Premium's
  #checkov:skip=CKV_AZURE_237:data endpoints are Premium's
}

resource "azurerm_consumption_budget_resource_group" "budget" {
  count             = var.budget == null ? 0 : 1
  name              = local.prefix
  resource_group_id = azurerm_resource_group.group.id
  amount            = var.budget.amount
  time_grain        = "Monthly"
  time_period {
    start_date = var.budget.start
  }
  dynamic "notification" {
    for_each = { Actual = 90, Forecasted = 100 }
    content {
      threshold_type = notification.key
      threshold      = notification.value
      operator       = "GreaterThan"
      contact_emails = var.budget.emails
    }
  }
}

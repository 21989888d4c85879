# What must hold, on a stand-in of the provider: `make infra-check`.

mock_provider "azurerm" {
  mock_data "azurerm_client_config" {
    defaults = { tenant_id = "00000000-0000-0000-0000-000000000001" }
  }
  mock_resource "azurerm_resource_group" {
    defaults = { id = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/g" }
  }
  mock_resource "azurerm_virtual_network" {
    defaults = { id = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/n" }
  }
  mock_resource "azurerm_subnet" {
    defaults = { id = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/n/subnets/s" }
  }
  mock_resource "azurerm_storage_account" {
    defaults = { id = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/digits" }
  }
  mock_resource "azurerm_storage_container" {
    defaults = { id = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/digits/blobServices/default/containers/models" }
  }
  mock_resource "azurerm_container_registry" {
    defaults = { id = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/g/providers/Microsoft.ContainerRegistry/registries/digits" }
  }
  mock_resource "azurerm_kubernetes_cluster" {
    defaults = { id = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/c" }
  }
  mock_resource "azurerm_user_assigned_identity" {
    defaults = {
      id           = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i"
      principal_id = "00000000-0000-0000-0000-000000000002"
      client_id    = "00000000-0000-0000-0000-000000000003"
    }
  }
  mock_resource "azurerm_key_vault" {
    defaults = { id = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/g/providers/Microsoft.KeyVault/vaults/digits" }
  }
  mock_resource "azurerm_private_dns_zone" {
    defaults = { id = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/g/providers/Microsoft.Network/privateDnsZones/z" }
  }
  mock_resource "azurerm_postgresql_flexible_server" {
    defaults = { id = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/g/providers/Microsoft.DBforPostgreSQL/flexibleServers/d" }
  }
}

variables {
  name        = "digits"
  environment = "staging"
  location    = "westeurope"
  unique      = "ac"
  repository  = "acme/digits"

  database_password = "only-for-this-test"
}

run "closed" {
  assert {
    condition     = azurerm_kubernetes_cluster.cluster.private_cluster_enabled && azurerm_kubernetes_cluster.cluster.local_account_disabled
    error_message = "The API server has a public address that nobody asked for, or an account without a person."
  }
  assert {
    condition     = !azurerm_storage_account.store.allow_nested_items_to_be_public && !azurerm_storage_account.store.shared_access_key_enabled && azurerm_storage_account.store.network_rules[0].default_action == "Deny"
    error_message = "The store can be public, or has keys."
  }
  assert {
    condition     = length(azurerm_management_lock.store) == 1 && output.database == null
    error_message = "The store can be deleted, or there is a database that nobody asked for."
  }
}

run "with_a_database_and_serving" {
  variables {
    database            = "B_Standard_B1ms"
    serving_pod         = "team-vision/digits"
    authorized_networks = ["192.0.2.0/24"]
    budget              = { amount = 500, emails = ["platform@example.com"], start = "2027-01-01T00:00:00Z" }
  }
  assert {
    condition     = !azurerm_postgresql_flexible_server.database[0].public_network_access_enabled
    error_message = "The database has a public address."
  }
  assert {
    condition     = azurerm_role_assignment.pod["serve"].role_definition_name == "Storage Blob Data Reader"
    error_message = "Serving pods may change models."
  }
  assert {
    condition     = output.files["deploy/overlays/staging/service-account.yaml"].metadata.annotations["azure.workload.identity/client-id"] == azurerm_user_assigned_identity.pod["serve"].client_id
    error_message = "Serving pods have no identity."
  }
}

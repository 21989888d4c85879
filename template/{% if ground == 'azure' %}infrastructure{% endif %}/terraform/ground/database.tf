# A database for MLflow, where the cluster is not to have one: reached from the network alone.

resource "azurerm_subnet" "database" {
  count                = var.database == null ? 0 : 1
  name                 = "database"
  resource_group_name  = azurerm_resource_group.group.name
  virtual_network_name = azurerm_virtual_network.network.name
  address_prefixes     = ["10.10.16.0/28"]
  #checkov:skip=CKV2_AZURE_31:the subnet is delegated: nothing else can be in it
  delegation {
    name = "postgres"
    service_delegation {
      name    = "Microsoft.DBforPostgreSQL/flexibleServers"
      actions = ["Microsoft.Network/virtualNetworks/subnets/join/action"]
    }
  }
}

resource "azurerm_private_dns_zone" "database" {
  count               = var.database == null ? 0 : 1
  name                = "${local.prefix}.private.postgres.database.azure.com"
  resource_group_name = azurerm_resource_group.group.name
}

resource "azurerm_private_dns_zone_virtual_network_link" "database" {
  count               = var.database == null ? 0 : 1
  name                = local.prefix
  private_dns_zone_id = azurerm_private_dns_zone.database[0].id
  virtual_network_id  = azurerm_virtual_network.network.id
}

resource "azurerm_postgresql_flexible_server" "database" {
  count                             = var.database == null ? 0 : 1
  name                              = "${local.prefix}-${var.unique}"
  resource_group_name               = azurerm_resource_group.group.name
  location                          = var.location
  version                           = "17"
  sku_name                          = var.database
  storage_mb                        = 32768
  auto_grow_enabled                 = true
  backup_retention_days             = 14
  public_network_access_enabled     = false
  delegated_subnet_id               = azurerm_subnet.database[0].id
  private_dns_zone_id               = azurerm_private_dns_zone.database[0].id
  administrator_login               = "mlflow"
  administrator_password_wo         = var.database_password
  administrator_password_wo_version = 1
  tags                              = local.tags
  depends_on                        = [azurerm_private_dns_zone_virtual_network_link.database]
  #checkov:skip=CKV_AZURE_136:a copy in another region doubles the price
  #checkov:skip=CKV2_AZURE_57:it is in the network itself
  lifecycle {
    ignore_changes = [zone]
  }
}

resource "azurerm_postgresql_flexible_server_database" "mlflow" {
  for_each  = toset(var.database == null ? [] : ["mlflow", "mlflow_auth"])
  name      = each.key
  server_id = azurerm_postgresql_flexible_server.database[0].id
}

resource "azurerm_management_lock" "database" {
  count      = var.database != null && var.protected ? 1 : 0
  name       = "keep"
  scope      = azurerm_postgresql_flexible_server.database[0].id
  lock_level = "CanNotDelete"
  notes      = "It holds MLflow's records: set `protected` to false first."
}

output "database" {
  description = "Where the database is."
  value       = one([for each in azurerm_postgresql_flexible_server.database : { host = each.fqdn }])
}

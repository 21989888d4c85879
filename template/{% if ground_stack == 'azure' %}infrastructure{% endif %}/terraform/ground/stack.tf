# What the stack of docs/infrastructure.md finds in the cloud: a vault for its one secret, two identities.

locals {
  stack = {
    secrets = { pod = "external-secrets/external-secrets", scope = azurerm_key_vault.stack.id, role = "Key Vault Secrets User" }
    mlflow  = { pod = "mlflow/mlflow", scope = azurerm_storage_container.models.id, role = "Storage Blob Data Contributor" }
  }
}

# Its secret is made by `az keyvault secret set`, so that no state has it.
resource "azurerm_key_vault" "stack" {
  name                       = local.world
  resource_group_name        = azurerm_resource_group.group.name
  location                   = var.location
  tenant_id                  = data.azurerm_client_config.this.tenant_id
  sku_name                   = "standard"
  rbac_authorization_enabled = true
  purge_protection_enabled   = true
  soft_delete_retention_days = 90
  tags                       = local.tags
  #checkov:skip=CKV_AZURE_189:its firewall lets only the nodes and the authorized networks in
  #checkov:skip=CKV2_AZURE_32:a service endpoint in place of a private one, which is paid by the hour
  network_acls {
    default_action             = "Deny"
    bypass                     = "AzureServices"
    ip_rules                   = var.authorized_networks
    virtual_network_subnet_ids = [azurerm_subnet.nodes.id]
  }
}

resource "azurerm_user_assigned_identity" "stack" {
  for_each            = local.stack
  name                = "${local.prefix}-${each.key}"
  resource_group_name = azurerm_resource_group.group.name
  location            = var.location
  tags                = local.tags
}

resource "azurerm_federated_identity_credential" "stack" {
  for_each                  = local.stack
  name                      = each.key
  user_assigned_identity_id = azurerm_user_assigned_identity.stack[each.key].id
  issuer                    = azurerm_kubernetes_cluster.cluster.oidc_issuer_url
  audience                  = ["api://AzureADTokenExchange"]
  subject                   = "system:serviceaccount:${replace(each.value.pod, "/", ":")}"
}

resource "azurerm_role_assignment" "stack" {
  for_each             = local.stack
  scope                = each.value.scope
  role_definition_name = each.value.role
  principal_id         = azurerm_user_assigned_identity.stack[each.key].principal_id
}

output "stack" {
  description = "What `make config` writes for the stack, by file."
  value = {
    "infrastructure/overlays/${var.environment}/settings/settings.yaml" = {
      data = { secret = "${local.prefix}-stack" }
    }
    "infrastructure/overlays/${var.environment}/settings/cloud.yaml" = {
      data = {
        vault            = trimsuffix(azurerm_key_vault.stack.vault_uri, "/")
        storage-account  = azurerm_storage_account.store.name
        container        = azurerm_storage_container.models.name
        backups          = "wasbs://${azurerm_storage_container.models.name}@${azurerm_storage_account.store.primary_blob_host}/backups"
        secrets-client   = azurerm_user_assigned_identity.stack["secrets"].client_id
        mlflow-client    = azurerm_user_assigned_identity.stack["mlflow"].client_id
        pipelines-client = azurerm_user_assigned_identity.pod["steps"].client_id
      }
    }
  }
}

# The CI logs in with its own identity, to push images. No client secret is made.

resource "azurerm_user_assigned_identity" "images" {
  name                = "${local.prefix}-images"
  resource_group_name = azurerm_resource_group.group.name
  location            = var.location
  tags                = local.tags
}

resource "azurerm_federated_identity_credential" "images" {
  name                      = "ci"
  user_assigned_identity_id = azurerm_user_assigned_identity.images.id
  issuer                    = local.ci_issuer
  audience                  = ["api://AzureADTokenExchange"]
  subject                   = local.ci_subjects.images
}

resource "azurerm_role_assignment" "push" {
  scope                = azurerm_container_registry.registry.id
  role_definition_name = "AcrPush"
  principal_id         = azurerm_user_assigned_identity.images.principal_id
}

output "ci" {
  description = "The CI's variables."
  value = {
    REGISTRY              = azurerm_container_registry.registry.login_server
    AZURE_CLIENT_ID       = azurerm_user_assigned_identity.images.client_id
    AZURE_TENANT_ID       = data.azurerm_client_config.this.tenant_id
    AZURE_SUBSCRIPTION_ID = data.azurerm_client_config.this.subscription_id
  }
}

# AKS: people log in by Entra ID, pods by workload identity. No key and no client secret is made.

locals {
  pods = merge(
    { steps = var.pipeline_pod }, var.serving_pod == null ? {} : { serve = var.serving_pod },
  )
}

# Of the control plane and of the nodes: made first, so that their rights are there when it starts.
resource "azurerm_user_assigned_identity" "cluster" {
  for_each            = toset(["cluster", "nodes"])
  name                = "${local.prefix}-${each.key}"
  resource_group_name = azurerm_resource_group.group.name
  location            = var.location
  tags                = local.tags
}

resource "azurerm_role_assignment" "cluster" {
  for_each = {
    "Network Contributor"       = azurerm_subnet.nodes.id
    "Managed Identity Operator" = azurerm_user_assigned_identity.cluster["nodes"].id
  }
  scope                = each.value
  role_definition_name = each.key
  principal_id         = azurerm_user_assigned_identity.cluster["cluster"].principal_id
}

resource "azurerm_role_assignment" "pull" {
  scope                = azurerm_container_registry.registry.id
  role_definition_name = "AcrPull"
  principal_id         = azurerm_user_assigned_identity.cluster["nodes"].principal_id
}

resource "azurerm_kubernetes_cluster" "cluster" {
  name                      = local.prefix
  resource_group_name       = azurerm_resource_group.group.name
  location                  = var.location
  dns_prefix                = local.prefix
  sku_tier                  = var.protected ? "Standard" : "Free"
  private_cluster_enabled   = length(var.authorized_networks) == 0
  oidc_issuer_enabled       = true
  workload_identity_enabled = true
  local_account_disabled    = true
  automatic_upgrade_channel = "patch"
  node_os_upgrade_channel   = "NodeImage"
  tags                      = local.tags
  depends_on                = [azurerm_role_assignment.cluster]
  #checkov:skip=CKV_AZURE_4:logs go to Log Analytics where a workspace is
  #checkov:skip=CKV_AZURE_6:without authorized networks there is no public address
  #checkov:skip=CKV_AZURE_115:private, or only for the authorized networks
  #checkov:skip=CKV_AZURE_116:policies are Pod Security's, in the manifests
  #checkov:skip=CKV_AZURE_117:Azure's keys encrypt the disks
  #checkov:skip=CKV_AZURE_170:staging has no uptime to promise
  #checkov:skip=CKV_AZURE_172:External Secrets reads the vault, without the CSI driver
  #checkov:skip=CKV_AZURE_226:ephemeral disks need larger machines
  #checkov:skip=CKV_AZURE_227:encryption at the host is a feature that a subscription switches on
  #checkov:skip=CKV_AZURE_232:one pool: system pods and others share it
  identity {
    type         = "UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.cluster["cluster"].id]
  }
  kubelet_identity {
    client_id                 = azurerm_user_assigned_identity.cluster["nodes"].client_id
    object_id                 = azurerm_user_assigned_identity.cluster["nodes"].principal_id
    user_assigned_identity_id = azurerm_user_assigned_identity.cluster["nodes"].id
  }
  azure_active_directory_role_based_access_control {
    azure_rbac_enabled = true
    tenant_id          = data.azurerm_client_config.this.tenant_id
  }
  dynamic "api_server_access_profile" {
    for_each = length(var.authorized_networks) == 0 ? [] : [var.authorized_networks]
    content {
      authorized_ip_ranges = api_server_access_profile.value
    }
  }
  default_node_pool {
    name                        = "nodes"
    temporary_name_for_rotation = "rotating"
    vm_size                     = var.nodes.size
    vnet_subnet_id              = azurerm_subnet.nodes.id
    auto_scaling_enabled        = true
    min_count                   = var.nodes.min
    max_count                   = var.nodes.max
    max_pods                    = 110
    upgrade_settings {
      max_surge = "10%"
    }
  }
  node_provisioning_profile {
    mode = "Manual"
  }
  network_profile {
    network_plugin      = "azure"
    network_plugin_mode = "overlay"
    network_data_plane  = "cilium"
    network_policy      = "cilium"
    pod_cidr            = "10.20.0.0/16"
    service_cidr        = "10.30.0.0/20"
    dns_service_ip      = "10.30.0.10"
  }
}

resource "azurerm_role_assignment" "developer" {
  for_each             = toset(var.developers)
  scope                = azurerm_kubernetes_cluster.cluster.id
  role_definition_name = "Azure Kubernetes Service RBAC Writer"
  principal_id         = each.value
}

resource "azurerm_user_assigned_identity" "pod" {
  for_each            = local.pods
  name                = "${local.prefix}-${each.key}"
  resource_group_name = azurerm_resource_group.group.name
  location            = var.location
  tags                = local.tags
}

resource "azurerm_federated_identity_credential" "pod" {
  for_each                  = local.pods
  name                      = each.key
  user_assigned_identity_id = azurerm_user_assigned_identity.pod[each.key].id
  issuer                    = azurerm_kubernetes_cluster.cluster.oidc_issuer_url
  audience                  = ["api://AzureADTokenExchange"]
  subject                   = "system:serviceaccount:${replace(each.value, "/", ":")}"
}

resource "azurerm_role_assignment" "pod" {
  for_each             = { for each in keys(local.pods) : each => each == "serve" ? "Reader" : "Contributor" }
  scope                = azurerm_storage_container.models.id
  role_definition_name = "Storage Blob Data ${each.value}"
  principal_id         = azurerm_user_assigned_identity.pod[each.key].principal_id
}

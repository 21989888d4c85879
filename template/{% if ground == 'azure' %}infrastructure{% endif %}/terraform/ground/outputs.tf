output "files" {
  description = "What `make config` writes, by file."
  value = merge(
    { "config/${var.environment}.yaml" = merge(
      { images = { registry = azurerm_container_registry.registry.login_server } },
      var.serving_pod == null ? {} : { deploy = { context = azurerm_kubernetes_cluster.cluster.name } },
    ) },
    var.serving_pod == null ? {} : {
      "deploy/overlays/${var.environment}/service-account.yaml" = {
        metadata = { annotations = {
          "azure.workload.identity/client-id" = azurerm_user_assigned_identity.pod["serve"].client_id
        } }
      }
    },
  )
}

output "login" {
  description = "What puts the cluster into your kubeconfig."
  value       = "az aks get-credentials --resource-group ${local.prefix} --name ${azurerm_kubernetes_cluster.cluster.name}"
}

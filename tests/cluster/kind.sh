#!/usr/bin/env bash
# A cluster for these tests on a machine with docker, kind, kubectl and jq: kind, with a metrics-server
# and a gateway (Traefik); beside it a registry that its node and this machine know as localhost:5001.
# `kind.sh kserve` installs KServe too. It prints what to export.
# `kind delete cluster && docker rm --force kind-registry` ends both.
set -euo pipefail
port=5001
gateway_port=8000
gateway_api=v1.5.1
traefik=v3.7.15
metrics=v0.8.0
cert_manager=v1.17.0
kserve=v0.21.0 # the first whose canary gets requests
shared=$(mktemp --directory)

docker run --detach --restart=always --publish "127.0.0.1:$port:5000" --name kind-registry \
  docker.io/library/registry:3 >&2
kind create cluster --wait 120s --config=- >&2 <<KIND
kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
containerdConfigPatches:
  - |-
    [plugins."io.containerd.grpc.v1.cri".registry]
      config_path = "/etc/containerd/certs.d"
nodes:
  - role: control-plane
    extraMounts: # where pipelines of the tests keep what steps hand on
      - {hostPath: $shared, containerPath: $shared}
KIND
docker network connect kind kind-registry
for node in $(kind get nodes); do
  docker exec "$node" mkdir -p "/etc/containerd/certs.d/localhost:$port"
  echo '[host."http://kind-registry:5000"]' |
    docker exec -i "$node" cp /dev/stdin "/etc/containerd/certs.d/localhost:$port/hosts.toml"
done
address=$(kubectl get nodes --output \
  'jsonpath={.items[0].status.addresses[?(@.type=="InternalIP")].address}')

kubectl apply --filename \
  "https://github.com/kubernetes-sigs/metrics-server/releases/download/$metrics/components.yaml" >&2
kubectl patch deployment metrics-server --namespace kube-system --type json --patch \
  '[{"op": "add", "path": "/spec/template/spec/containers/0/args/-", "value": "--kubelet-insecure-tls"}]' >&2

kubectl apply --server-side --filename \
  "https://github.com/kubernetes-sigs/gateway-api/releases/download/$gateway_api/standard-install.yaml" >&2
kubectl apply --filename - >&2 <<GATEWAY
apiVersion: v1
kind: Namespace
metadata: {name: gateways}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: traefik, namespace: gateways}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: traefik}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin} # of a cluster for tests
subjects: [{kind: ServiceAccount, name: traefik, namespace: gateways}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: traefik, namespace: gateways}
spec:
  selector: {matchLabels: {app: traefik}}
  template:
    metadata: {labels: {app: traefik}}
    spec:
      serviceAccountName: traefik
      hostNetwork: true # this machine reaches it by the node's address
      containers:
        - name: traefik
          image: docker.io/library/traefik:$traefik
          args:
            - --entryPoints.web.address=:$gateway_port
            - --providers.providersThrottleDuration=100ms
            - --providers.kubernetesGateway=true
            - --providers.kubernetesGateway.throttleDuration=100ms
            - --providers.kubernetesGateway.statusAddress.ip=$address
---
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: traefik}
spec: {controllerName: traefik.io/gateway-controller}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gateway, namespace: gateways}
spec:
  gatewayClassName: traefik
  listeners:
    - {name: web, port: $gateway_port, protocol: HTTP, allowedRoutes: {namespaces: {from: All}}}
GATEWAY
kubectl wait --namespace gateways gateway/gateway --for=condition=Programmed --timeout=180s >&2
kubectl rollout status --namespace kube-system deployment/metrics-server --timeout=180s >&2

if [[ ${1:-} == kserve ]]; then
  kubectl apply --filename \
    "https://github.com/cert-manager/cert-manager/releases/download/$cert_manager/cert-manager.yaml" >&2
  kubectl rollout status --namespace cert-manager deployment/cert-manager-webhook --timeout=180s >&2
  kubectl create namespace kserve >&2
  # Its own objects are of kinds that the same file brings: the second time knows them.
  manifests=https://raw.githubusercontent.com/kserve/kserve/$kserve/install/$kserve/kserve.yaml
  kubectl apply --server-side --filename "$manifests" >&2 || sleep 20
  kubectl apply --server-side --force-conflicts --filename "$manifests" >&2
  kubectl get configmap inferenceservice-config --namespace kserve --output json |
    jq '.data.deploy = ({defaultDeploymentMode: "Standard"} | tojson)
      | .data.ingress = (.data.ingress | fromjson + {
          enableGatewayApi: true, disableIstioVirtualHost: true,
          kserveIngressGateway: "gateways/gateway", ingressDomain: "example.com"} | tojson)' |
    kubectl replace --filename - >&2
  kubectl rollout restart --namespace kserve deployment/kserve-controller-manager >&2
  kubectl rollout status --namespace kserve deployment/kserve-controller-manager --timeout=240s >&2
fi

host=$(docker network inspect kind --format '{{range .IPAM.Config}}{{println .Gateway}}{{end}}' |
  grep --max-count=1 '\.')
echo "KUBECONFIG=${KUBECONFIG:-$HOME/.kube/config}"
echo "CLUSTER_REGISTRY=localhost:$port"
echo "CLUSTER_HOST=$host"
echo "CLUSTER_SHARED=$shared"

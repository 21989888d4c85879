#!/usr/bin/env bash
# A cluster for these tests on a machine with docker, kind and kubectl: kind, beside it a registry that
# its node and this machine know as localhost:5001. It prints what to export.
# `kind delete cluster && docker rm --force kind-registry` ends both.
set -euo pipefail
port=5001

docker run --detach --restart=always --publish "127.0.0.1:$port:5000" --name kind-registry \
  docker.io/library/registry:3 >&2
kind create cluster --wait 120s --config=- >&2 <<'KIND'
kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
containerdConfigPatches:
  - |-
    [plugins."io.containerd.grpc.v1.cri".registry]
      config_path = "/etc/containerd/certs.d"
KIND
docker network connect kind kind-registry
for node in $(kind get nodes); do
  docker exec "$node" mkdir -p "/etc/containerd/certs.d/localhost:$port"
  echo '[host."http://kind-registry:5000"]' |
    docker exec -i "$node" cp /dev/stdin "/etc/containerd/certs.d/localhost:$port/hosts.toml"
done
host=$(docker network inspect kind --format '{{range .IPAM.Config}}{{println .Gateway}}{{end}}' |
  grep --max-count=1 '\.')
echo "KUBECONFIG=${KUBECONFIG:-$HOME/.kube/config}"
echo "CLUSTER_REGISTRY=localhost:$port"
echo "CLUSTER_HOST=$host"

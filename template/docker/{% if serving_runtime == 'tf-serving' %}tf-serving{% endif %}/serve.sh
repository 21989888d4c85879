#!/bin/sh
# Serves the version that /models/current.json names, and follows it: what the serving image runs.
# TensorFlow Serving reads its configuration again every second; it loads a new version before it
# lets go of the old one, so no request is lost.
set -eu
name=${MODEL_NAME:?the name of the model}
models=${MODELS:-/models}
config=${CONFIG:-/etc/tf-serving}
state=$(mktemp -d)
mkdir "$state/versions"
served=

follow() {
  version=$(sed -n 's/.*"version": *"\([0-9]*\)".*/\1/p' "$models/current.json" 2>/dev/null) || return 0
  saved=$models/$version/saved_model/1
  if [ "$version" = "$served" ] || [ ! -e "$saved/saved_model.pb" ]; then return 0; fi
  ln -sfn "$saved" "$state/versions/$version"
  sed "s|@NAME@|$name|; s|@PATH@|$state/versions|; s|@VERSION@|$version|" \
    "$config/models.config" >"$state/new"
  mv "$state/new" "$state/models.config" # at once: the server never reads half of it
  served=$version
  echo "version $version is to be served" >&2
}

stop() {
  trap - TERM INT
  if [ -n "${server:-}" ]; then
    kill -TERM "$server" 2>/dev/null || true
    wait "$server" || true
  fi
  rm -rf "$state"
  exit 0
}
trap stop TERM INT

pause() {
  sleep 0.5 &
  wait $! # a signal ends the wait, and no more than that
}

until follow && [ -n "$served" ]; do pause; done
# It does not start without gRPC, which nobody asks here: a socket that only this container sees.
tensorflow_model_server --rest_api_port="${PORT:-8080}" --port=0 --grpc_socket_path="$state/grpc" \
  --model_config_file="$state/models.config" --model_config_file_poll_wait_seconds=1 \
  --enable_batching --batching_parameters_file="$config/batching.config" \
  --monitoring_config_file="$config/monitoring.config" &
server=$!
while kill -0 "$server" 2>/dev/null; do
  follow
  pause
done
wait "$server"

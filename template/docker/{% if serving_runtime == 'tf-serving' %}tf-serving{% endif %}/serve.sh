#!/bin/sh
# Serves the version that the store's pointer names, and follows it: what the serving image runs.
# TensorFlow Serving reads its configuration again every second; it loads a new version before it
# lets go of the old one, so no request is lost.
set -eu
name=${MODEL_NAME:?the name of the model}
models=${MODELS:-/models}
config=${CONFIG:-/etc/tf-serving}
pointer=$models/$name/current.json
state=$(mktemp -d)
mkdir "$state/versions"
served=''
server=''

# Write the pointer's version and hash to $state/found, if they are other ones and the files are complete.
look() {
  if [ ! -f "$pointer" ]; then return 0; fi
  # shellcheck disable=SC2046 # two words, or what is rejected
  set -- $(sed -n 's/.*"version": *"\([0-9]*\)", *"sha256": *"\([0-9a-f]*\)".*/\1 \2/p' "$pointer")
  if [ $# != 2 ]; then reject "$pointer: expected a version and a sha256"; return 0; fi
  if [ "$1 $2" = "$served" ]; then return 0; fi
  folder=$models/$name/$1-$(printf %.12s "$2")
  if [ "$(digest "$folder")" != "$2" ]; then
    reject "$folder: is damaged (its SHA-256 differs): \`make promote VERSION=$1\` writes it again"
  elif [ ! -e "$folder/saved_model/1/saved_model.pb" ]; then
    reject "$folder: has no SavedModel: \`make run\` makes one that has"
  else
    echo "$1 $2 $folder" >"$state/found"
  fi
}

# What model.py calls the digest of a folder.
digest() {
  (cd "$1" && find . -type f ! -path '*/__pycache__/*' | sed 's|^\./||' | LC_ALL=C sort |
    tr '\n' '\0' | xargs -0 -r sha256sum | sha256sum | cut -d' ' -f1) 2>/dev/null
}

reject() { # once for each reason, and not at once again
  if [ "$1" != "$(cat "$state/rejected" 2>/dev/null)" ]; then
    echo "rejected: $1" >&2
    echo "$1" >"$state/rejected"
  fi
  sleep 2
}

follow() {
  look & # so that a store that does not answer keeps no signal waiting
  wait $! || true
  if [ ! -e "$state/found" ]; then return 0; fi
  read -r version sha256 folder <"$state/found"
  rm -f "$state/found" "$state/rejected"
  if [ "$version" = "${served% *}" ]; then
    end_server # it knows versions by their numbers alone, and this is another model
  fi
  ln -sfn "$folder/saved_model/1" "$state/versions/$version"
  sed "s|@NAME@|$name|; s|@PATH@|$state/versions|; s|@VERSION@|$version|" \
    "$config/models.config" >"$state/new"
  mv "$state/new" "$state/models.config" # at once: the server never reads half of it
  served="$version $sha256"
  echo "version $version is to be served" >&2
}

# It does not start without gRPC, which nobody asks here: a socket that only this container sees.
start_server() {
  tensorflow_model_server --rest_api_port="${PORT:-8080}" --port=0 \
    --grpc_socket_path="$state/grpc" \
    --model_config_file="$state/models.config" --model_config_file_poll_wait_seconds=1 \
    --enable_batching --batching_parameters_file="$config/batching.config" \
    --monitoring_config_file="$config/monitoring.config" &
  server=$!
}

end_server() {
  if [ -n "$server" ]; then
    kill -TERM "$server" 2>/dev/null || true
    wait "$server" || true
    server=
  fi
}

stop() {
  trap - TERM INT
  end_server
  rm -rf "$state"
  exit 0
}
trap stop TERM INT

if [ ! -e "$pointer" ]; then echo "no model of $name in $models yet" >&2; fi
while :; do
  follow
  if [ -n "$served" ] && [ -z "$server" ]; then start_server; fi
  sleep 0.5 &
  wait $! # a signal ends the wait, and no more than that
  if [ -n "$server" ] && ! kill -0 "$server" 2>/dev/null; then wait "$server"; exit; fi
done

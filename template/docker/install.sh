#!/bin/sh
# Installs what uv.lock pins into /app/.venv, without the project: its code is a layer of its own.
# The arguments are the dependency groups.
set -eu
if [ -s /run/secrets/ca_bundle ]; then
  # The last one too: where a base image sets it, pip prefers it to its own.
  export SSL_CERT_FILE=/run/secrets/ca_bundle PIP_CERT=/run/secrets/ca_bundle \
    REQUESTS_CA_BUNDLE=/run/secrets/ca_bundle
fi
if [ -s /run/secrets/netrc ]; then
  export NETRC=/run/secrets/netrc
fi
export PIP_CACHE_DIR=/cache/pip UV_CACHE_DIR=/cache/uv
python -m venv /opt/uv
/opt/uv/bin/pip install --quiet --disable-pip-version-check 'uv==0.13.9'
/opt/uv/bin/uv sync --locked --no-install-project --no-default-groups "$@"
rm -rf /opt/uv
# What no program of the project runs: tests, sources, tools that make and convert models, libraries
# for C and its compilers. It is a fifth of the serving image.
cd .venv/lib/python3*/site-packages
find . \( -name '*.pyi' -o -name '*.pyx' -o -name '*.pxd' -o -name '*.h' -o -name '*.a' \
  -o -path './numpy/*_tests.*.so' \) -delete
find numpy scipy sklearn -type d -name tests -prune -exec rm -rf {} + 2>/dev/null || true
rm -rf onnxruntime/transformers onnxruntime/tools onnxruntime/quantization onnxruntime/datasets \
  onnxruntime/capi/libonnxruntime.so.* numpy/_core/_simd.*.so yaml/_yaml.*.so clang \
  tensorflow/include tensorflow/xla_aot_runtime_src torch/include torch/test matplotlib/mpl-data/sample_data

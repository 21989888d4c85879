# /// script
# requires-python = ">=3.11"
# dependencies = ["grpcio==1.83.0"]
# ///
"""A stand-in for Terraform providers: their schemas, and nothing that makes anything.

`terraform validate` asks a provider which arguments there are and of what type, and `terraform
test` with `mock_provider` asks for no more. It speaks the plugin protocol 5 [1]; schemas are what
`terraform providers schema -json` printed of the real ones. What a provider itself says of a value,
such as that a name is too short, it does not say.

    uv run --script terraform_provider.py google.json aws.json …

prints what TF_REATTACH_PROVIDERS must hold, then serves until its standard input ends.

[1]: https://github.com/hashicorp/terraform/blob/main/docs/plugin-protocol/tfplugin5.proto
"""

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc

NESTING = {"single": 1, "list": 2, "set": 3, "map": 4, "group": 5}
FLAGS = {"required": 4, "optional": 5, "computed": 6, "sensitive": 7, "write_only": 10}


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def field(number: int, value: bytes | str | int) -> bytes:
    """One field of a protobuf message."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value) if value else b""
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def attribute(name: str, spec: dict[str, Any]) -> bytes:
    flags = b"".join(field(number, int(spec.get(flag, False))) for flag, number in FLAGS.items())
    return field(1, name) + field(2, json.dumps(spec["type"])) + flags


def nested(name: str, spec: dict[str, Any]) -> bytes:
    limits = field(4, spec.get("min_items", 0)) + field(5, spec.get("max_items", 0))
    return (
        field(1, name)
        + field(2, block(spec["block"]))
        + field(3, NESTING[spec["nesting_mode"]])
        + limits
    )


def block(spec: dict[str, Any]) -> bytes:
    attributes = [field(2, attribute(*each)) for each in spec.get("attributes", {}).items()]
    blocks = [field(3, nested(*each)) for each in spec.get("block_types", {}).items()]
    return b"".join([*attributes, *blocks])


def schema(spec: dict[str, Any]) -> bytes:
    return field(2, block(spec["block"]))


def schemas(file: Path) -> bytes:
    """The answer to GetSchema: maps are entries of a key and a value."""
    spec = json.loads(file.read_text())
    entries = [
        field(number, field(1, name) + field(2, schema(each)))
        for number, kind in ((2, "resources"), (3, "data"))
        for name, each in spec[kind].items()
    ]
    return field(1, schema(spec["provider"])) + b"".join(entries)


class Provider(grpc.GenericRpcHandler):
    """Answers what is asked before anything is made; the rest is `unimplemented`."""

    def __init__(self, file: Path) -> None:
        self.answers = {
            "GetSchema": lambda _: schemas(file),
            "PrepareProviderConfig": lambda request: (
                request
            ),  # both have the configuration in field 1
            "ValidateResourceTypeConfig": lambda _: b"",
            "ValidateDataSourceConfig": lambda _: b"",
            "Stop": lambda _: b"",
        }

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        answer = self.answers.get(details.method.rpartition("/")[2])
        return answer and grpc.unary_unary_rpc_method_handler(lambda request, _: answer(request))


def main() -> None:
    attached, servers = {}, []
    for file in map(Path, sys.argv[1:]):
        server = grpc.server(ThreadPoolExecutor(4))
        server.add_generic_rpc_handlers([Provider(file)])
        address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        server.start()
        servers.append(server)
        attached[f"registry.terraform.io/hashicorp/{file.stem}"] = {
            "Protocol": "grpc",
            "ProtocolVersion": 5,
            "Pid": os.getpid(),
            "Test": True,
            "Addr": {"Network": "tcp", "String": address},
        }
    print(json.dumps(attached), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()

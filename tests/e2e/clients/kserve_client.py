# /// script
# dependencies = ["kserve==0.21.0"]
# [tool.uv]
# exclude-newer = "2026-11-20T00:00:00Z"
# ///
"""KServe's own client asks a server in both protocols: kserve_client.py URL NAME MODEL_FOLDER.

It must get the predictions in the folder's example.json, to the last bit, or it fails.
"""

import asyncio
import json
import sys
from pathlib import Path

import numpy as np
from kserve import InferInput, InferRequest
from kserve.inference_client import InferenceRESTClient, RESTConfig
from kserve.protocol.infer_type import RequestedOutput
from kserve.utils.numpy_codec import from_np_dtype


async def main(url: str, name: str, folder: Path) -> None:
    example = json.loads((folder / "example.json").read_text())
    signature = json.loads((folder / "signature.json").read_text())
    expected = np.array(example["predictions"], np.float32)
    await ask_v1(url, name, example["instances"], expected)
    columns = {given["name"]: column(given, example["instances"]) for given in signature["inputs"]}
    for binary in (False, True):
        for binary_output in (False, True):
            inputs = [infer_input(key, array, binary) for key, array in columns.items()]
            await ask_v2(url, name, inputs, signature["output"]["name"], binary_output, expected)
    print("KServe's client agrees")


async def ask_v1(url: str, name: str, instances: list[object], expected: np.ndarray) -> None:
    async with InferenceRESTClient(RESTConfig(protocol="v1")) as client:
        assert await client.is_server_live(url)
        assert await client.is_model_ready(url, name)
        answer = await client.infer(url, {"instances": instances}, name)
        assert np.array_equal(np.array(answer["predictions"], np.float32), expected)


async def ask_v2(
    url: str, name: str, inputs: list[InferInput], output: str, binary: bool, expected: np.ndarray
) -> None:
    async with InferenceRESTClient(RESTConfig(protocol="v2")) as client:
        assert await client.is_server_live(url)
        assert await client.is_server_ready(url)
        assert await client.is_model_ready(url, name)
        request = InferRequest(
            name,
            inputs,
            request_id="7",
            request_outputs=[RequestedOutput(output)],
            parameters={"binary_data_output": binary},
        )
        headers: dict[str, str] = {}
        answer = await client.infer(url, request, name, response_headers=headers)
        assert (answer.id, answer.model_name) == ("7", name)
        assert ("inference-header-content-length" in headers) == binary
        [given] = answer.outputs
        assert given.name == output
        assert np.array_equal(given.as_numpy(), expected)


def column(given: dict[str, object], instances: list[dict[str, object]]) -> np.ndarray:
    """One input of all instances; a missing text is an empty one in V2's bytes."""
    values = [row[str(given["name"])] for row in instances]
    if given["dtype"] == "string":
        return np.array(["" if value is None else value for value in values], object)
    return np.array(values, given["dtype"])


def infer_input(name: str, array: np.ndarray, binary: bool) -> InferInput:
    made = InferInput(name, list(array.shape), from_np_dtype(array.dtype))
    made.set_data_from_numpy(array, binary_data=binary)
    return made


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], Path(sys.argv[3])))

"""The reference: KServe's Python ModelServer for the model file that MODEL names, on PORT."""

import os

import numpy as np
import onnxruntime
from feed import feed
from kserve import InferOutput, InferRequest, InferResponse, Model, ModelServer


class Digits(Model):
    def __init__(self) -> None:
        super().__init__("digits")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(os.environ["MODEL"], options)
        self.ready = True

    def predict(
        self, payload: dict | InferRequest, headers: dict | None = None, **_: object
    ) -> dict | InferResponse:
        if isinstance(payload, InferRequest):
            image = payload.inputs[0].as_numpy()
            [found] = self.session.run(None, {"image": image})
            output = InferOutput("probabilities", list(found.shape), "FP32")
            output.set_data_from_numpy(found, binary_data=True)
            return InferResponse(payload.id or "0", "digits", [output])
        rows = payload["instances"]
        inputs = feed(rows) if isinstance(rows[0], dict) else {"image": np.array(rows, np.uint8)}
        return {"predictions": self.session.run(None, inputs)[0].tolist()}


if __name__ == "__main__":
    port = int(os.environ["PORT"])
    ModelServer(http_port=port, enable_grpc=False, workers=1, enable_latency_logging=False).start(
        [Digits()]
    )

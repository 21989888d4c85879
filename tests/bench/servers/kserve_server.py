"""The reference: KServe's Python ModelServer for the model file that MODEL names, on PORT."""

import os

import numpy as np
import onnxruntime
from kserve import Model, ModelServer


class Digits(Model):
    def __init__(self) -> None:
        super().__init__("digits")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(os.environ["MODEL"], options)
        self.ready = True

    def predict(self, payload: dict, headers: dict | None = None, **_: object) -> dict:
        images = np.array(payload["instances"], np.uint8)
        return {"predictions": self.session.run(None, {"image": images})[0].tolist()}


if __name__ == "__main__":
    port = int(os.environ["PORT"])
    ModelServer(http_port=port, enable_grpc=False, workers=1, enable_latency_logging=False).start(
        [Digits()]
    )

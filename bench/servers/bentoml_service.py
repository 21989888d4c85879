"""The reference: a plain BentoML service for the model file that MODEL names."""

import os

import bentoml
import numpy as np
import onnxruntime
from feed import feed


@bentoml.service(workers=1, logging={"access": {"enabled": False}})
class Digits:
    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(os.environ["MODEL"], options)

    @bentoml.api
    def image(self, instances: np.ndarray) -> np.ndarray:
        return self.session.run(None, {"image": instances.astype(np.uint8)})[0]

    @bentoml.api
    def table(self, instances: list[dict]) -> np.ndarray:
        return self.session.run(None, feed(instances))[0]

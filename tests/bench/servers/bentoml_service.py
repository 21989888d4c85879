"""The reference: a plain BentoML service for the model file that MODEL names."""

import os

import bentoml
import numpy as np
import onnxruntime


@bentoml.service(workers=1, logging={"access": {"enabled": False}})
class Digits:
    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(os.environ["MODEL"], options)

    @bentoml.api
    def predict(self, instances: np.ndarray) -> np.ndarray:
        return self.session.run(None, {"image": instances.astype(np.uint8)})[0]

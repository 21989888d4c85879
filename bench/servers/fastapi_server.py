"""The reference: a FastAPI application for the model file that MODEL names, on PORT."""

import os

import fastapi
import numpy as np
import onnxruntime
import pydantic
import uvicorn
from feed import feed

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(os.environ["MODEL"], options)
app = fastapi.FastAPI()


class Row(pydantic.BaseModel):
    number0: float
    number1: float
    number2: float
    number3: float
    number4: float
    number5: float
    count: int
    city: str


class Images(pydantic.BaseModel):
    instances: list[list[list[int]]]


class Table(pydantic.BaseModel):
    instances: list[Row]


class Predictions(pydantic.BaseModel):
    predictions: list[list[float]]


class Numbers(pydantic.BaseModel):
    predictions: list[float]


@app.get("/healthz")
def healthz() -> dict[str, str]:
    return {"status": "ok"}


if os.environ["MODEL"].split("/")[-3] == "image":

    @app.post("/v1/models/digits:predict")
    def predict(body: Images) -> Predictions:
        images = np.array(body.instances, np.uint8)
        return Predictions(predictions=session.run(None, {"image": images})[0].tolist())

else:

    @app.post("/v1/models/digits:predict")
    def predict_rows(body: Table) -> Numbers:
        rows = feed([row.model_dump() for row in body.instances])
        return Numbers(predictions=session.run(None, rows)[0].tolist())


if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ["PORT"]), access_log=False, log_level="warning")

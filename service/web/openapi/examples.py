"""Small things that examples are made of."""

from __future__ import annotations

# A PNG of one red pixel; images of any size are taken.
IMAGE_B64 = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC"
)

PREDICTIONS = [
    {"label": "red fox", "score": 0.9134, "wnid": "n02119789"},
    {"label": "tabby cat", "score": 0.0412, "wnid": "n02123045"},
]

# As if there were two classes.
V1_PREDICTION = {"predictions": [[0.0866, 0.9134]], "model_version": "7"}
V1_RESULTS = {"results": [[["red fox", 0.9134], ["tabby cat", 0.0866]]], "model_version": "7"}
V1_STATUS = {
    "model_version_status": [
        {
            "version": "7",
            "state": "AVAILABLE",
            "status": {"error_code": "OK", "error_message": ""},
        }
    ],
    "name": "resnet50",
    "ready": True,
}
V2_ANSWER = {
    "model_name": "resnet50",
    "model_version": "7",
    "id": "42",
    "outputs": [
        {"name": "probabilities", "datatype": "FP32", "shape": [1, 2], "data": [0.0866, 0.9134]}
    ],
}
V2_CLASSES = {
    "model_name": "resnet50",
    "model_version": "7",
    "outputs": [
        {
            "name": "probabilities",
            "datatype": "BYTES",
            "shape": [1, 1],
            "data": ["0.9134:1:red fox"],
        }
    ],
}

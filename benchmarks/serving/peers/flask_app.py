"""What is written first: a Flask view that decodes, runs the model and answers, without batches."""

from __future__ import annotations

from flask import Flask, Response, jsonify, request
from shared_model import Model, answer, read

app = Flask(__name__)
# gunicorn runs one process a core.
model = Model(threads=1)


@app.post("/predict")
def predict() -> Response:
    """Answer one request."""
    (rows,) = model.run([read(request.get_data())])
    return jsonify(answer(rows))

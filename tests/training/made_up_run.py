"""Settings and result of a run that nobody trained."""

from __future__ import annotations

from training.evaluation.evaluate import Scores
from training.run.folder import Result, RunSettings
from training.settings import Recipe

SETTINGS = RunSettings(
    mode="single",
    world_size=1,
    data_digest="d" * 64,
    recipe=Recipe(precision="float32", epochs=3),
    code_version="abc",
    host="here",
    started_at="2026-01-01T00:00:00+00:00",
)
SCORES = Scores(images=10, loss=1.5, top1=0.5, top5=0.75)
RESULT = Result(
    step=30,
    finished_at="2026-01-01T01:00:00+00:00",
    variants={"saved_model.pb": SCORES, "model.onnx": SCORES},
    max_difference=0.0,
    agreement=1.0,
)

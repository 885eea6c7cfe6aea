"""One loaded model: the only file that knows ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import msgspec
import numpy as np
import onnxruntime as ort

from imaging import IMAGE_SHAPE
from service.engine.device import Device
from service.engine.graph_cache import optimized_graph
from service.ipc.messages import ClassName, Images, Probabilities
from service.lifecycle import starting_threads_as

MODEL_FILE = "model.onnx"
CLASSES_FILE = "classes.json"

PROVIDERS: dict[Device, list[Any]] = {
    Device.CPU: ["CPUExecutionProvider"],
    Device.CUDA: [
        ("CUDAExecutionProvider", {"cudnn_conv_algo_search": "EXHAUSTIVE"}),
        "CPUExecutionProvider",
    ],
}
# Weights smaller than this stay in the graph's own file.
MAPPED_BYTES = 1024

# Probabilities of one image add up to 1 within what float32 loses; a softmax quantized to int8, in
# steps of 1/255, doesn't, and belongs in float.
SUM_TOLERANCE = 0.02


class BadModel(Exception):
    """The version can't be served as it is; the message says why."""


class Session(Protocol):
    """A loaded version that answers batches; `run` may be called from several threads at once."""

    @property
    def classes(self) -> tuple[ClassName, ...]:
        """The meaning of each output, in order."""

    @property
    def file(self) -> str:
        """The model file of the version's folder that is loaded."""

    def run(self, images: Images, *, alone: bool = False) -> Probabilities:
        """Return float32 [N, classes] for uint8 [N, 64, 64, 3].

        `alone` says that nothing else runs meanwhile, so that every core may be used.
        """

    def close(self) -> None:
        """Let go of what the session holds; nothing runs any more."""


class OnnxSession:
    """One model file of a version's folder, with the names in its `classes.json`.

    `load` raises BadModel when a file can't be read, the model's signature isn't
    `image` uint8 [N, 64, 64, 3] → `probabilities` float32 [N, classes], or a test run gives
    anything but probabilities.
    """

    def __init__(
        self,
        session: ort.InferenceSession,
        wide: ort.InferenceSession,
        classes: tuple[ClassName, ...],
        file: str,
        closed: Callable[[], None],
    ) -> None:
        self._session = session
        self._wide = wide
        self.classes = classes
        self.file = file
        self._closed = closed

    @classmethod
    def load(
        cls,
        folder: Path,
        *,
        threads: int,
        cores: int | None = None,
        file: str = MODEL_FILE,
        device: Device = Device.CPU,
        closed: Callable[[], None] = lambda: None,
    ) -> OnnxSession:
        """Load and check the model; takes seconds and belongs off the request path.

        A run uses so many threads, one that runs alone as many as there are `cores`. `closed` is
        called once, by `close`.
        """
        classes = _read_classes(folder / CLASSES_FILE)
        try:
            session, wide = _open_both(folder / file, device, threads, cores or threads)
        # ONNX Runtime's exceptions share no public base class.
        except Exception as error:
            raise BadModel(f"{file} can't be loaded: {_first_line(error)}") from error
        loaded = cls(session, wide, classes, file, closed)
        loaded._check_signature()
        return loaded

    def run(self, images: Images, *, alone: bool = False) -> Probabilities:
        """Return float32 [N, classes] for uint8 [N, 64, 64, 3]."""
        session = self._wide if alone else self._session
        (probabilities,) = session.run(["probabilities"], {"image": images})
        answer: Probabilities = probabilities
        return answer

    def close(self) -> None:
        """Free the model's memory and tell whoever lent the folder."""
        del self._session, self._wide
        self._closed()

    def _check_signature(self) -> None:
        inputs = {each.name: (each.type, each.shape) for each in self._session.get_inputs()}
        outputs = {each.name: (each.type, each.shape) for each in self._session.get_outputs()}
        kind, shape = inputs.get("image", ("missing", []))
        if list(inputs) != ["image"] or kind != "tensor(uint8)" or shape[1:] != [*IMAGE_SHAPE]:
            raise BadModel(f"{self.file} takes {inputs}, not one uint8 [N,64,64,3] named 'image'")
        kind, shape = outputs.get("probabilities", ("missing", []))
        if kind != "tensor(float)" or len(shape) != 2:
            raise BadModel(f"{self.file} gives {outputs}, not float32 [N,classes] 'probabilities'")
        if isinstance(shape[1], int) and shape[1] != len(self.classes):
            raise BadModel(
                f"{self.file} has {shape[1]} outputs, {CLASSES_FILE} names {len(self.classes)}"
            )


def runtime_has_cuda() -> bool:
    """Whether this ONNX Runtime was built for GPUs."""
    return "CUDAExecutionProvider" in ort.get_available_providers()


def _open_both(
    model: Path, device: Device, threads: int, cores: int
) -> tuple[ort.InferenceSession, ort.InferenceSession]:
    """Return a session of few threads and one of all cores; they share what they can."""
    if device is Device.CUDA:
        session = _open(model, device, threads, optimize=True)
        if session.get_providers()[0] != "CUDAExecutionProvider":
            raise RuntimeError("CUDA's libraries can't be used; ONNX Runtime's log says why")
        return session, session
    graph = optimized_graph(model, f"ort-{ort.__version__}", partial(_optimize, model))
    optimize = graph == model
    session = _open(graph, device, threads, optimize=optimize)
    if cores == threads:
        return session, session
    return session, _open(graph, device, cores, optimize=optimize)


def _optimize(model: Path, graph: Path) -> None:
    """Write the model's optimized graph for the CPU, its weights in a file beside it."""
    options = _options(threads=1)
    options.optimized_model_filepath = str(graph)
    external = "session.optimized_model_external_initializers"
    options.add_session_config_entry(f"{external}_file_name", f"{graph.name}.data")
    options.add_session_config_entry(f"{external}_min_size_in_bytes", str(MAPPED_BYTES))
    ort.InferenceSession(str(model), options, providers=PROVIDERS[Device.CPU])


def _open(graph: Path, device: Device, threads: int, *, optimize: bool) -> ort.InferenceSession:
    options = _options(threads)
    if not optimize:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    with starting_threads_as("lane"):
        return ort.InferenceSession(str(graph), options, providers=PROVIDERS[device])


def _options(threads: int) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Waiting threads that spin help an idle machine and hurt one that also speaks HTTP.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    return options


def warm_up(session: Session, max_batch: int) -> None:
    """Run batches of every power of two up to `max_batch` and check that they give probabilities.

    First runs are slow (ONNX Runtime plans and allocates per shape); nobody's request should pay
    for them. Raises BadModel when an answer isn't what it must be.
    """
    random = np.random.default_rng(0)
    size = 1
    while True:
        images = random.integers(0, 256, (size, *IMAGE_SHAPE), dtype=np.uint8)
        try:
            answer = session.run(images)
        except Exception as error:
            raise BadModel(f"a test run on {size} images failed: {_first_line(error)}") from error
        _check_probabilities(answer, size, len(session.classes))
        if size >= max_batch:
            return
        size = min(2 * size, max_batch)


def _check_probabilities(answer: Probabilities, images: int, classes: int) -> None:
    if answer.shape != (images, classes):
        raise BadModel(f"a test run gave shape {answer.shape}, not {(images, classes)}")
    if not np.isfinite(answer).all() or (answer < 0).any():
        raise BadModel("a test run gave values that aren't probabilities (NaN or negative)")
    furthest = float(np.abs(answer.sum(axis=1) - 1).max())
    if furthest > SUM_TOLERANCE:
        raise BadModel(f"a test run gave probabilities whose sum is off by {furthest:.3f}")


def _read_classes(path: Path) -> tuple[ClassName, ...]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=tuple[ClassName, ...])
    except (OSError, msgspec.MsgspecError) as error:
        raise BadModel(f"{path.name} can't be read: {error}") from error


def _first_line(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__

"""One loaded model: the only file that knows ONNX Runtime."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import msgspec
import numpy as np
import onnxruntime as ort

from imaging import IMAGE_SHAPE
from service.engine.device import Device
from service.engine.graph_cache import is_optimized, optimized_graph
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
# How much faster all cores must be at one image, and in how many tries, to be worth a session.
WIDE_GAIN = 0.95
TRIES = 5
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

    @property
    def batch_images(self) -> int:
        """How many images a batch of several requests may have."""

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
        classes: tuple[ClassName, ...],
        file: str,
        closed: Callable[[], None],
    ) -> None:
        self._session = session
        self._wide = session
        self.classes = classes
        self.file = file
        self.batch_images = 1
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

        A run uses so many threads; one that runs alone as many as there are `cores`, where that
        turns out to be faster. `closed` is called once, by `close`.
        """
        classes = _read_classes(folder / CLASSES_FILE)
        try:
            graph = _graph(folder / file, device)
            loaded = cls(_open(graph, device, threads), classes, file, closed)
            loaded._check_signature()
            if device is Device.CPU and cores not in (None, threads):
                loaded._widen(_open(graph, device, cores, spinning=True))
        except BadModel:
            raise
        # ONNX Runtime's exceptions share no public base class.
        except Exception as error:
            raise BadModel(f"{file} can't be loaded: {_first_line(error)}") from error
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

    def _widen(self, wide: ort.InferenceSession) -> None:
        """Let runs that are alone have a session of more threads, if that is faster."""
        if _single_s(wide) < WIDE_GAIN * _single_s(self._session):
            self._wide = wide

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


def runtime() -> str:
    """Return the name and version of what runs models."""
    return f"ort-{ort.__version__}"


def _graph(model: Path, device: Device) -> Path:
    """Return what to load: for the CPU, the model's optimized graph."""
    if device is Device.CUDA:
        return model
    return optimized_graph(model, runtime(), partial(_optimize, model))


def _single_s(session: ort.InferenceSession) -> float:
    """Return the seconds that a run of one image takes at best; the first few plan and allocate."""
    image = np.zeros((1, *IMAGE_SHAPE), np.uint8)
    taken = []
    for _ in range(TRIES):
        started = time.perf_counter()
        session.run(None, {"image": image})
        taken.append(time.perf_counter() - started)
    return min(taken)


def _optimize(model: Path, graph: Path) -> None:
    """Write the model's optimized graph for the CPU, its weights in a file beside it."""
    options = _options(threads=1)
    options.optimized_model_filepath = str(graph)
    external = "session.optimized_model_external_initializers"
    options.add_session_config_entry(f"{external}_file_name", f"{graph.name}.data")
    options.add_session_config_entry(f"{external}_min_size_in_bytes", str(MAPPED_BYTES))
    ort.InferenceSession(str(model), options, providers=PROVIDERS[Device.CPU])


def _open(
    graph: Path, device: Device, threads: int, *, spinning: bool = False
) -> ort.InferenceSession:
    options = _options(threads, spinning=spinning)
    if is_optimized(graph):
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    with starting_threads_as("lane"):
        session = ort.InferenceSession(str(graph), options, providers=PROVIDERS[device])
    if device is Device.CUDA and session.get_providers()[0] != "CUDAExecutionProvider":
        raise BadModel("CUDA's libraries can't be used; ONNX Runtime's log says why")
    return session


def _options(threads: int, *, spinning: bool = False) -> ort.SessionOptions:
    """Return the options of a session; its waiting threads may be `spinning` during runs."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Spinning saves a run that nothing else competes with a fifth of its time, and costs a machine
    # that is busy more than that. Between runs it only burns power.
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(spinning)))
    options.add_session_config_entry("session.force_spinning_stop", "1")
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

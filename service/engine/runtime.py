"""ONNX Runtime: the only file that imports it."""

from __future__ import annotations

import contextlib
import functools
import io
import logging
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from imaging import IMAGE_SHAPE
from service.engine.device import Device
from service.ipc.messages import Images, Probabilities
from service.lifecycle import starting_threads_as

log = logging.getLogger(__name__)

IMAGE = "image"
PROBABILITIES = "probabilities"

# Weights smaller than this stay in the optimized graph's own file.
MAPPED_BYTES = 1024

_CPU = "CPUExecutionProvider"
_CUDA = "CUDAExecutionProvider"


class WrongSignature(Exception):
    """The model takes or gives something else than a version's model does; the message says what.

    The message goes on where the file's name has been said.
    """


class CudaUnusable(Exception):
    """The CUDA provider can't run the model; the message says what is known of the reason."""


class LoadedModel:
    """A model that ONNX Runtime has opened on a device; its runs may overlap."""

    def __init__(
        self, session: ort.InferenceSession, device: Device = Device.CPU, number: int = 0
    ) -> None:
        self._session = session
        self._place = (device, number)

    def check_signature(self, classes: int) -> None:
        """Raise WrongSignature unless this is what `run` takes and gives, for so many classes."""
        inputs = {each.name: (each.type, each.shape) for each in self._session.get_inputs()}
        outputs = {each.name: (each.type, each.shape) for each in self._session.get_outputs()}
        kind, shape = inputs.get(IMAGE, ("missing", []))
        if list(inputs) != [IMAGE] or kind != "tensor(uint8)" or shape[1:] != [*IMAGE_SHAPE]:
            raise WrongSignature(f"takes {inputs}, not one uint8 [N,64,64,3] named '{IMAGE}'")
        kind, shape = outputs.get(PROBABILITIES, ("missing", []))
        if kind != "tensor(float)" or len(shape) != 2:
            raise WrongSignature(f"gives {outputs}, not float32 [N,classes] '{PROBABILITIES}'")
        if isinstance(shape[1], int) and shape[1] != classes:
            raise WrongSignature(f"has {shape[1]} outputs, classes.json names {classes}")

    def run(self, images: Images) -> Probabilities:
        """Return float32 [N, classes] for uint8 [N, 64, 64, 3]."""
        (probabilities,) = self._session.run([PROBABILITIES], {IMAGE: images})
        answer: Probabilities = probabilities
        return answer

    def bind(self, images: int, classes: int) -> BoundModel:
        """Return the model with buffers for so many images on its device, which stay in place."""
        empty = ort.OrtValue.ortvalue_from_shape_and_type
        return BoundModel(
            self._session,
            empty((images, *IMAGE_SHAPE), np.uint8, *self._place),
            empty((images, classes), np.float32, *self._place),
        )


class BoundModel:
    """A model whose input and output lie in place on its device, for batches of one size.

    A CUDA graph, where the session was opened for it, is captured in the first runs and replayed
    from then on: it reads and writes these very buffers. Not for several threads.
    """

    def __init__(
        self, session: ort.InferenceSession, images: ort.OrtValue, probabilities: ort.OrtValue
    ) -> None:
        self._session = session
        self._input, self._output = images, probabilities
        self._binding = session.io_binding()
        self._binding.bind_ortvalue_input(IMAGE, images)
        self._binding.bind_ortvalue_output(PROBABILITIES, probabilities)
        self._staging: Images = np.zeros(images.shape(), np.uint8)
        self._options = ort.RunOptions()
        # A graph belongs to one shape. ONNX Runtime tells graphs apart by this number and would
        # replay one for buffers of another shape without a word.
        self._options.add_run_config_entry("gpu_graph_id", str(len(self._staging)))

    def run(self, images: Images) -> Probabilities:
        """Return float32 [N, classes] for uint8 [N, 64, 64, 3], N up to the size of the buffers."""
        count = len(images)
        # What is left of earlier images in the rows behind is computed and thrown away.
        self._staging[:count] = images
        self._input.update_inplace(self._staging)
        self._session.run_with_iobinding(self._binding, self._options)
        answer: Probabilities = np.array(self._output.numpy()[:count])
        return answer


def open_on_cpu(
    model: Path, threads: int, *, optimized: bool, spinning: bool = False
) -> LoadedModel:
    """Open a model on the processor; an `optimized` graph is taken as it is.

    Its waiting threads may be `spinning` during runs.
    """
    options = _options(threads, spinning=spinning)
    if optimized:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    with starting_threads_as("lane"):
        return LoadedModel(ort.InferenceSession(str(model), options, providers=[_CPU]))


def open_on_gpu(model: Path, number: int, *, graphs: bool) -> LoadedModel:
    """Open a model on a GPU, counted from 0; with `graphs`, bound runs become CUDA graphs.

    Raises CudaUnusable, and what ONNX Runtime raises for a model that can't be loaded or captured.
    """
    _load_cuda()
    # To try every algorithm for every convolution would take minutes at the sizes of batch we use.
    cuda = {"device_id": str(number), "cudnn_conv_algo_search": "HEURISTIC"}
    if graphs:
        cuda["enable_cuda_graph"] = "1"
    providers: list[Any] = [(_CUDA, cuda), _CPU]
    with starting_threads_as("lane"):
        session = ort.InferenceSession(str(model), _options(threads=1), providers=providers)
    # ONNX Runtime itself would go on without the GPU, and say so in its log alone.
    if session.get_providers()[0] != _CUDA:
        raise CudaUnusable("CUDA's libraries can't be used; ONNX Runtime's log says why")
    return LoadedModel(session, Device.CUDA, number)


def write_optimized(model: Path, graph: Path) -> None:
    """Write the model's optimized graph for the CPU, its weights in a file beside it."""
    options = _options(threads=1)
    options.optimized_model_filepath = str(graph)
    external = "session.optimized_model_external_initializers"
    options.add_session_config_entry(f"{external}_file_name", f"{graph.name}.data")
    options.add_session_config_entry(f"{external}_min_size_in_bytes", str(MAPPED_BYTES))
    ort.InferenceSession(str(model), options, providers=[_CPU])


def runtime_has_cuda() -> bool:
    """Whether this ONNX Runtime was built for GPUs."""
    return _CUDA in ort.get_available_providers()


def runtime() -> str:
    """Return the name and version of what runs models."""
    return f"ort-{ort.__version__}"


@functools.cache
def _load_cuda() -> None:
    """Load CUDA's and cuDNN's libraries from the packages that came with ONNX Runtime.

    They lie where the system doesn't look: without this only a machine that has them installed
    besides would find them.
    """
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        ort.preload_dlls()
    for line in said.getvalue().splitlines():
        log.warning("%s", line)


def _options(threads: int, *, spinning: bool = False) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Spinning saves a run that nothing else competes with a fifth of its time, and costs a machine
    # that is busy more than that. Between runs it only burns power.
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(spinning)))
    options.add_session_config_entry("session.force_spinning_stop", "1")
    options.log_severity_level = 3
    return options

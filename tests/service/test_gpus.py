"""Copies of a model as they run on GPUs, here on the processor: the binding is the same."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import numpy as np
import onnx
import pytest

from service.engine import gpus
from service.engine.gpus import GpuCopy, OnGpus, bound_sizes
from service.engine.runtime import BoundModel, CudaUnusable, LoadedModel, open_on_cpu
from service.ipc.messages import Images, Probabilities
from tests.tiny_model import tiny_model

CLASSES = 200
MOST = 8


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    path = tmp_path_factory.mktemp("model") / "model.onnx"
    onnx.save(tiny_model(7), path)
    return open_on_cpu(path, 1, optimized=False)


def random_images(count: int) -> Images:
    return np.random.default_rng(count).integers(0, 256, (count, 64, 64, 3), dtype=np.uint8)


class Model(LoadedModel):
    """A model that can be told how bound runs of it go wrong."""

    def __init__(self, real: LoadedModel, spoil: Callable[[BoundModel], BoundModel]) -> None:
        self._real = real
        self._spoil = spoil
        self.threads: set[int] = set()
        self.runs: list[int] = []
        self.bound: list[int] = []

    def check_signature(self, classes: int) -> None:
        self._real.check_signature(classes)

    def run(self, images: Images) -> Probabilities:
        self.threads.add(threading.get_ident())
        self.runs.append(len(images))
        return self._real.run(images)

    def bind(self, images: int, classes: int) -> BoundModel:
        self.bound.append(images)
        return self._spoil(self._real.bind(images, classes))


class Gpu:
    """Opens the model as on a GPU: the way with graphs may fail, or give wrong answers."""

    def __init__(self, real: LoadedModel) -> None:
        self._real = real
        self.refusal: Exception | None = None
        self.spoil_graphs: Callable[[BoundModel], BoundModel] = lambda bound: bound
        self.plain = Model(real, lambda bound: bound)
        self.with_graphs: Model | None = None

    def __call__(self, *, graphs: bool) -> LoadedModel:
        if not graphs:
            return self.plain
        if self.refusal is not None:
            raise self.refusal
        self.with_graphs = Model(self._real, self.spoil_graphs)
        return self.with_graphs


@pytest.fixture
def gpu(model: LoadedModel) -> Gpu:
    return Gpu(model)


@pytest.fixture(autouse=True)
def bound_is_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every way of running that isn't plain count as faster; a test may say otherwise."""
    monkeypatch.setattr(gpus, "best_s", timing(bound=0.5))


def timing(*, bound: float) -> Callable[..., float]:
    def seconds(run: Callable[[Images], Probabilities], images: int, *, tries: int) -> float:
        return bound if isinstance(getattr(run, "__self__", None), BoundModel) else 1.0

    return seconds


@pytest.fixture
def make(gpu: Gpu) -> Iterator[Callable[[], GpuCopy]]:
    made: list[GpuCopy] = []

    def copy() -> GpuCopy:
        made.append(GpuCopy(gpu, CLASSES, bound_sizes(MOST), name="GPU 0"))
        return made[-1]

    yield copy
    for each in made:
        each.close()


@pytest.mark.parametrize("count", range(1, MOST + 3))
def test_a_batch_of_any_size_gets_the_answers_of_a_plain_run(
    make: Callable[[], GpuCopy], model: LoadedModel, count: int
) -> None:
    copy = make()
    for images in (random_images(count), random_images(count)[::-1].copy()):
        np.testing.assert_allclose(copy.run(images), model.run(images), atol=1e-6)


def test_an_answer_stays_what_it_is_when_the_buffers_are_used_again(
    make: Callable[[], GpuCopy],
) -> None:
    copy = make()
    first = copy.run(random_images(2))
    kept = first.copy()
    copy.run(random_images(2)[::-1].copy())
    assert (first == kept).all()


def test_what_is_faster_runs(make: Callable[[], GpuCopy], gpu: Gpu) -> None:
    copy = make()
    gpu.plain.threads.clear()
    copy.run(random_images(3))
    assert not gpu.plain.threads
    copy.run(random_images(MOST + 1))
    assert gpu.plain.threads


def test_what_is_slower_does_not_run(
    make: Callable[[], GpuCopy], gpu: Gpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpus, "best_s", timing(bound=0.99))
    copy = make()
    gpu.plain.threads.clear()
    copy.run(random_images(3))
    assert gpu.plain.threads


def test_a_plain_run_has_a_shape_that_was_seen_before(
    make: Callable[[], GpuCopy],
    gpu: Gpu,
    model: LoadedModel,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gpus, "best_s", timing(bound=0.99))
    copy = make()
    seen = set(gpu.plain.runs)
    for count in range(1, MOST + 1):
        answer = copy.run(random_images(count))
        np.testing.assert_allclose(answer, model.run(random_images(count)), atol=1e-6)
    assert set(gpu.plain.runs) == seen


def test_where_graphs_cannot_be_had_the_buffers_stay_in_place_all_the_same(
    make: Callable[[], GpuCopy], gpu: Gpu
) -> None:
    gpu.refusal = RuntimeError("not all nodes are on the GPU")
    copy = make()
    assert gpu.plain.bound == bound_sizes(MOST)
    gpu.plain.threads.clear()
    copy.run(random_images(3))
    assert not gpu.plain.threads


class Stale(BoundModel):
    """Replays its first batch for ever."""

    def __init__(self, real: BoundModel) -> None:
        self._real = real
        self._first: Probabilities | None = None

    def run(self, images: Images) -> Probabilities:
        if self._first is None:
            self._first = self._real.run(images)
        return self._first


def test_a_graph_that_does_not_see_its_input_is_not_used(
    make: Callable[[], GpuCopy], gpu: Gpu, caplog: pytest.LogCaptureFixture
) -> None:
    gpu.spoil_graphs = Stale
    caplog.set_level("INFO")
    copy = make()
    assert "as CUDA graphs: a batch of 1 gave probabilities that are off by" in caplog.text
    images = random_images(4)
    np.testing.assert_allclose(copy.run(images), gpu.plain.run(images), atol=1e-6)


def test_a_copy_runs_in_one_thread_whoever_calls(make: Callable[[], GpuCopy], gpu: Gpu) -> None:
    copy = make()
    callers = [threading.Thread(target=copy.run, args=(random_images(MOST + 1),)) for _ in range(4)]
    for each in callers:
        each.start()
    for each in callers:
        each.join()
    assert len(gpu.plain.threads) == 1
    assert threading.get_ident() not in gpu.plain.threads


def test_a_copy_that_cannot_be_made_says_why(gpu: Gpu, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*, graphs: bool) -> LoadedModel:
        raise CudaUnusable("CUDA's libraries can't be used")

    with pytest.raises(CudaUnusable, match="libraries"):
        GpuCopy(refuse, CLASSES, [1], name="GPU 0")


def test_copies_take_turns(model: LoadedModel) -> None:
    opened = [Gpu(model) for _ in range(3)]
    copies = [GpuCopy(each, CLASSES, [1], name="GPU") for each in opened]
    together = OnGpus(copies)
    for each in opened:
        each.plain.threads.clear()
    for _ in range(together.copies):
        together.run(random_images(2), alone=False)
    assert [len(each.plain.threads) for each in opened] == [1, 1, 1]
    together.close()


@pytest.mark.parametrize("most", [1, 2, 3, 4, 7, 16, 128, 200])
def test_no_batch_is_padded_by_more_than_half(most: int) -> None:
    sizes = bound_sizes(most)
    assert sizes == sorted(set(sizes))
    assert sizes[-1] == most
    for count in range(1, most + 1):
        assert min(size for size in sizes if size >= count) <= 1.5 * count

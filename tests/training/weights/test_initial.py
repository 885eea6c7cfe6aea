"""Where a run's first weights come from: versions, runs, folders and files; with small models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from model_store import Lineage, Unreachable, open_store
from model_store.store import ModelStore
from tests.tiny_model import write_version
from tests.training.fakes import RecordedBars
from training.classes import write_classes
from training.data.layout import ClassName
from training.errors import RunFolderError, ShelfError, UsageError, WeightsError
from training.export import save_model
from training.model import Architecture, build_model
from training.position import Position
from training.run.checkpoints import Checkpoints
from training.run.folder import Initial, RunFolder, RunSettings
from training.settings import Job, Recipe
from training.signature import signature
from training.trainee import make_trainee
from training.weights.initial import Start, find_start
from training.weights.weights import Weights, take_over

SMALL = Architecture(classes=3, depths=(1,), width=2)
CLASSES = tuple(ClassName(wnid=f"n{i:08}", label=f"c{i}", names=f"c{i}") for i in range(3))
LINEAGE = Lineage(
    code_version="x",
    data_digest="x",
    mode="single",
    world_size=1,
    hyperparameters={},
    started_at="2026-01-01T00:00:00+00:00",
    finished_at="2026-01-01T00:00:00+00:00",
    host="x",
)


def small_model(seed: int, classes: int = 3) -> Any:
    """A model all of whose variables differ from seed to seed."""
    architecture = msgspec.structs.replace(SMALL, classes=classes)
    model = build_model(architecture, precision="float32", seed=seed)
    generator = np.random.default_rng(seed)
    for variable in model.variables:
        variable.assign(generator.uniform(0.1, 1.0, variable.shape))
    return model


def publish(url: str, folder: Path, *, classes: int = 3) -> int:
    manifest = open_store(url).publish(
        "resnet50", folder, signature=signature(classes), metrics={}, lineage=LINEAGE
    )
    return manifest.version


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights") / "export"
    save_model(small_model(7), SMALL, folder)
    write_classes(folder, CLASSES)
    return folder


@pytest.fixture
def shelf(tmp_path: Path, exported: Path) -> str:
    """A shelf with the export as version 1, and a version without SavedModel after it."""
    url = f"file://{tmp_path}/shelf"
    assert publish(url, exported) == 1
    assert publish(url, write_version(tmp_path / "onnx-only", 0), classes=200) == 2
    open_store(url).label("resnet50", "production", 1)
    return url


def start(
    folder: RunFolder,
    init_from: str,
    *,
    opener: Any = open_store,
    data_digest: str = "d" * 64,
    **job: Any,
) -> Start:
    found = find_start(
        Job(**job),
        Recipe(init_from=init_from),
        folder,
        data_digest=data_digest,
        classes=CLASSES,
        bars=RecordedBars(),
        opener=opener,
    )
    assert found is not None
    return found


def begin(folder: RunFolder, init_from: str, initial: Initial) -> None:
    folder.write_settings(
        RunSettings(
            mode="single",
            world_size=1,
            data_digest="d" * 64,
            recipe=Recipe(init_from=init_from),
            code_version="x",
            host="x",
            started_at="x",
            initial=initial,
        )
    )


def save_checkpoint(folder: RunFolder, *, average: bool = False, step: int = 5) -> Any:
    trainee = make_trainee(SMALL, precision="float32", seed=0, momentum=0.9, with_average=average)
    for number, variable in enumerate(trainee.variables):
        variable.assign(np.full(variable.shape, number))
    Checkpoints(folder.checkpoints).save(Position(step=step), trainee.arrays(), top1=None)
    return trainee


def assert_same(weights: Weights | None, model: Any) -> None:
    assert weights is not None
    expected = {variable.path: variable.numpy() for variable in model.variables}
    assert weights.arrays.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(weights.arrays[name], array, err_msg=name)


def test_a_run_from_scratch_begins_with_nothing(tmp_path: Path, bars: RecordedBars) -> None:
    folder = RunFolder(tmp_path)
    found = find_start(Job(), Recipe(), folder, data_digest="", classes=CLASSES, bars=bars)
    assert found is None


@pytest.mark.parametrize("which", ["1", "production"])
def test_a_version_gives_every_variable_by_name_and_its_classes(
    tmp_path: Path, shelf: str, which: str
) -> None:
    found = start(RunFolder(tmp_path / "run"), which, store=shelf)
    assert_same(found.weights, small_model(7))
    assert found.weights is not None
    assert found.weights.classes == CLASSES
    assert found.record == Initial(
        origin=f"resnet50 version 1 of {shelf}",
        sha256=found.weights.digest,
        store=shelf,
        model="resnet50",
        version=1,
    )


def test_versions_may_lie_elsewhere_than_where_is_published(tmp_path: Path, shelf: str) -> None:
    other = f"file://{tmp_path}/other"
    found = start(RunFolder(tmp_path / "run"), "1", store=other, init_store=shelf)
    assert found.record.store == shelf


def test_a_folder_with_a_saved_model_is_enough(tmp_path: Path, exported: Path) -> None:
    assert_same(start(RunFolder(tmp_path / "run"), str(exported)).weights, small_model(7))


@pytest.mark.parametrize("average", [False, True])
def test_a_run_gives_its_newest_checkpoint_and_the_average_where_it_has_one(
    tmp_path: Path, average: bool
) -> None:
    other = RunFolder(tmp_path / "other")
    begin(other, "x", Initial(origin="x", sha256="x"))
    save_checkpoint(other, step=3)
    trainee = save_checkpoint(other, average=average, step=5)
    found = start(RunFolder(tmp_path / "run"), str(other.path))
    assert_same(found.weights, trainee.result)
    assert found.weights is not None
    assert found.weights.classes == CLASSES
    found = start(RunFolder(tmp_path / "run"), str(other.path), data_digest="e" * 64)
    assert found.weights is not None
    assert found.weights.classes is None


# TensorFlow's variables under NumPy 2, called by Keras while it saves.
keras_saves = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.mark.parametrize(
    ("name", "save"), [("own.weights.h5", "save_weights"), ("own.keras", "save")]
)
@keras_saves
def test_files_that_keras_wrote_of_our_own_model_are_read(
    tmp_path: Path, name: str, save: str
) -> None:
    getattr(small_model(7), save)(tmp_path / name)
    assert_same(start(RunFolder(tmp_path / "run"), str(tmp_path / name)).weights, small_model(7))


def test_what_is_missing_or_damaged_is_named(tmp_path: Path, shelf: str, exported: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    with pytest.raises(WeightsError, match=r"gone: no such file or folder; .*--init-store URL"):
        start(folder, "gone")
    with pytest.raises(WeightsError, match=r"gone\.h5: no such file or folder$"):
        start(folder, "gone.h5", store=shelf)
    with pytest.raises(ShelfError, match="has no version 9; it has 1, 2"):
        start(folder, "9", store=shelf)
    with pytest.raises(ShelfError, match="'canary' is no version and no label; labels: production"):
        start(folder, "canary", store=shelf)
    with pytest.raises(WeightsError, match=r"version 2 .*: holds no SavedModel"):
        start(folder, "latest", store=shelf)
    (tmp_path / "text.h5").write_text("no weights")
    with pytest.raises(WeightsError, match=r"text\.h5: can't be read as weights"):
        start(folder, str(tmp_path / "text.h5"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(WeightsError, match="neither a run folder"):
        start(folder, str(tmp_path / "empty"))
    (tmp_path / "empty" / "saved_model.pb").write_bytes((exported / "saved_model.pb").read_bytes())
    with pytest.raises(WeightsError, match="its variables can't be read"):
        start(folder, str(tmp_path / "empty"))


def test_a_run_that_has_begun_stays_with_its_version(tmp_path: Path, shelf: str) -> None:
    folder = RunFolder(tmp_path / "run")
    begun = start(folder, "production", store=shelf).record
    begin(folder, "production", begun)
    open_store(shelf).label("resnet50", "production", 2)
    again = start(folder, "production", store=shelf)
    assert again.record == begun
    assert_same(again.weights, small_model(7))

    def away(url: str) -> ModelStore:
        raise Unreachable(f"no route to {url}")

    with pytest.raises(ShelfError, match="no route"):
        start(folder, "production", store=shelf, opener=away)
    save_checkpoint(folder)
    assert start(folder, "production", store=shelf, opener=away) == Start(begun, None)
    with pytest.raises(RunFolderError, match=r"began with .* not with a version of"):
        start(folder, "production", init_store=f"file://{tmp_path}/other")


@keras_saves
def test_a_run_refuses_a_file_that_has_changed_since_it_began(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    file = tmp_path / "own.weights.h5"
    small_model(7).save_weights(file)
    begun = start(folder, str(file)).record
    begin(folder, str(file), begun)
    assert start(folder, str(file)).record == begun
    small_model(8).save_weights(file)
    with pytest.raises(RunFolderError, match=r"began with other weights .*SHA-256"):
        start(folder, str(file))


def test_an_untrained_backbone_is_not_frozen(tmp_path: Path, bars: RecordedBars) -> None:
    recipe = Recipe(freeze="backbone")
    with pytest.raises(UsageError, match="--freeze backbone: nothing is trained yet"):
        find_start(Job(), recipe, RunFolder(tmp_path), data_digest="", classes=CLASSES, bars=bars)


def weights_of(model: Any, classes: tuple[ClassName, ...] | None = CLASSES) -> Weights:
    arrays = {variable.path: variable.numpy() for variable in model.variables}
    return Weights(arrays=arrays, origin="the file", classes=classes)


def test_the_head_is_taken_over_in_the_order_of_the_data() -> None:
    theirs, ours, average = small_model(1), small_model(2), small_model(3)
    wanted = (CLASSES[2], CLASSES[0], CLASSES[1])
    line = take_over(weights_of(theirs), ours, wanted, average=average)
    assert line == "initial weights: the file; the head is taken over for 3 classes"
    order = [2, 0, 1]
    head = theirs.get_layer("logits")
    for model in (ours, average):
        mine = model.get_layer("logits")
        np.testing.assert_array_equal(mine.kernel.numpy(), head.kernel.numpy()[:, order])
        np.testing.assert_array_equal(mine.bias.numpy(), head.bias.numpy()[order])
        np.testing.assert_array_equal(
            model.get_layer("conv1_conv").kernel.numpy(),
            theirs.get_layer("conv1_conv").kernel.numpy(),
        )


def test_the_head_is_taken_over_for_some_of_the_classes() -> None:
    theirs, ours = small_model(1), small_model(2, classes=2)
    line = take_over(weights_of(theirs), ours, (CLASSES[2], CLASSES[0]))
    assert "taken over for these 2 of its 3 classes" in line
    kernel = theirs.get_layer("logits").kernel.numpy()
    np.testing.assert_array_equal(ours.get_layer("logits").kernel.numpy(), kernel[:, [2, 0]])


@pytest.mark.parametrize("classes", [CLASSES, None])
def test_the_head_begins_anew_for_other_classes(classes: tuple[ClassName, ...] | None) -> None:
    theirs, ours = small_model(1), small_model(2)
    before = ours.get_layer("logits").kernel.numpy()
    other = (*CLASSES[:2], ClassName(wnid="n99999999", label="x", names="x"))
    line = take_over(weights_of(theirs, classes), ours, other)
    assert "the head begins anew" in line
    np.testing.assert_array_equal(ours.get_layer("logits").kernel.numpy(), before)
    np.testing.assert_array_equal(
        ours.get_layer("conv1_bn").beta.numpy(), theirs.get_layer("conv1_bn").beta.numpy()
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stem": "full"}, "its first convolution is 3×3, here it is 7×7; it is of another --stem"),
        ({"width": 4}, r"conv1_conv/kernel has shape \[7, 7, 3, 4\], expected \[7, 7, 3, 2\]"),
        ({"depths": (1, 1)}, r"isn't our ResNet-50: conv3_\S+, .* and \d+ more are too much"),
        ({"depths": ()}, r"isn't our ResNet-50: conv2_\S+, .* and \d+ more are missing"),
    ],
)
def test_weights_of_another_network_are_refused_and_change_nothing(
    change: dict[str, Any], message: str
) -> None:
    other = build_model(msgspec.structs.replace(SMALL, **change), precision="float32", seed=1)
    ours = small_model(2)
    before = [variable.numpy() for variable in ours.variables]
    with pytest.raises(WeightsError, match=message):
        take_over(weights_of(other), ours, CLASSES)
    for variable, value in zip(ours.variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)


def test_weights_that_are_no_numbers_are_refused() -> None:
    theirs = small_model(1)
    theirs.get_layer("conv1_bn").beta.assign([1.0, float("nan")])
    with pytest.raises(WeightsError, match=r"NaN or infinity in conv1_bn/beta$"):
        take_over(weights_of(theirs), small_model(2), CLASSES)

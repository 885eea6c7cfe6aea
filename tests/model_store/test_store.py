"""What a store promises, on both backends."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest

from model_store import (
    Conflict,
    Corrupt,
    InvalidName,
    InvalidVersion,
    Lineage,
    Manifest,
    ModelStore,
    NotFound,
)
from tests.model_store.material import (
    LINEAGE,
    METRICS,
    MODEL,
    SIGNATURE,
    contents,
    make_folder,
    publish,
)


def test_a_model_nobody_published_has_an_empty_catalog(store: ModelStore) -> None:
    catalog = store.catalog(MODEL)
    assert (catalog.versions, catalog.labels, catalog.latest) == ((), {}, None)
    assert store.catalog(MODEL, known=catalog) is catalog


def test_what_is_published_is_what_is_pulled(
    store: ModelStore, folder: Path, tmp_path: Path
) -> None:
    manifest = publish(store, folder)
    pulled = store.pull(MODEL, manifest.version, tmp_path / "pulled")
    files = contents(pulled)
    assert json.loads(files.pop("manifest.json"))["version"] == 1
    assert files == contents(folder)


def test_the_manifest_says_what_was_published(store: ModelStore, folder: Path) -> None:
    published = publish(store, folder)
    manifest = store.manifest(MODEL, 1)
    assert manifest == published
    assert (manifest.signature, manifest.lineage, manifest.metrics) == (SIGNATURE, LINEAGE, METRICS)
    assert {entry.name: entry.size for entry in manifest.files} == {
        name: len(data) for name, data in contents(folder).items()
    }


def test_versions_are_numbered_from_one_and_the_newest_is_the_latest(
    store: ModelStore, folder: Path
) -> None:
    for _ in range(3):
        publish(store, folder)
    catalog = store.catalog(MODEL)
    assert [entry.version for entry in catalog.versions] == [1, 2, 3]
    assert catalog.latest == catalog.find(3)
    assert catalog.reservations == ()


def test_an_unchanged_catalog_is_the_known_one_itself(store: ModelStore, folder: Path) -> None:
    publish(store, folder)
    known = store.catalog(MODEL)
    assert store.catalog(MODEL, known=known) is known
    publish(store, folder)
    assert store.catalog(MODEL, known=known).find(2).version == 2


def test_models_of_one_store_have_versions_of_their_own(store: ModelStore, folder: Path) -> None:
    publish(store, folder, "resnet50")
    assert publish(store, folder, "resnet50-int8").version == 1


def test_asking_for_a_version_that_is_not_there_lists_what_is(
    store: ModelStore, folder: Path
) -> None:
    publish(store, folder)
    with pytest.raises(NotFound, match="no version 9; it has 1"):
        store.manifest(MODEL, 9)


def test_some_files_can_be_pulled_and_the_others_later(
    store: ModelStore, folder: Path, tmp_path: Path
) -> None:
    publish(store, folder)
    place = store.pull(MODEL, 1, tmp_path / "p", files=["model.onnx"])
    assert set(contents(place)) == {"model.onnx", "manifest.json"}
    store.pull(MODEL, 1, place, files=["classes.json", "model.onnx"])
    assert set(contents(place)) == {"model.onnx", "classes.json", "manifest.json"}


def test_pulling_a_file_that_the_version_lacks_says_what_it_has(
    store: ModelStore, folder: Path, tmp_path: Path
) -> None:
    publish(store, folder)
    with pytest.raises(NotFound, match=r"no file 'model\.int8\.onnx'; it has classes\.json"):
        store.pull(MODEL, 1, tmp_path / "p", files=["model.int8.onnx"])
    assert not (tmp_path / "p").exists()


def test_progress_ends_at_the_total(store: ModelStore, folder: Path, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    store.publish(
        MODEL,
        folder,
        signature=SIGNATURE,
        metrics={},
        lineage=LINEAGE,
        progress=lambda *state: seen.append(state),
    )
    total = sum(map(len, contents(folder).values()))
    assert seen[-1] == ("publish", total, total)
    store.pull(MODEL, 1, tmp_path / "p", progress=lambda *state: seen.append(state))
    assert seen[-1] == ("pull", total, total)


def test_a_destination_that_is_right_costs_no_download(
    store: ModelStore, folder: Path, tmp_path: Path
) -> None:
    publish(store, folder)
    place = store.pull(MODEL, 1, tmp_path / "p")
    moved: list[int] = []
    store.pull(MODEL, 1, place, progress=lambda _stage, done, _total: moved.append(done))
    assert moved == []
    assert {path.name for path in tmp_path.iterdir()} >= {"p"}
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("name", ["thesis.txt", "manifest.json"])
def test_somebody_elses_folder_is_never_overwritten(
    local_store: ModelStore, folder: Path, tmp_path: Path, name: str
) -> None:
    publish(local_store, folder)
    place = tmp_path / "home"
    place.mkdir()
    (place / name).write_text("years of work")
    with pytest.raises(Conflict, match="name another"):
        local_store.pull(MODEL, 1, place)
    assert contents(place) == {name: b"years of work"}


def test_an_edited_file_in_a_pulled_folder_is_not_overwritten(
    local_store: ModelStore, folder: Path, tmp_path: Path
) -> None:
    publish(local_store, folder)
    place = local_store.pull(MODEL, 1, tmp_path / "p")
    (place / "classes.json").unlink()
    (place / "classes.json").write_text("edited by hand")
    with pytest.raises(Conflict, match=r"classes\.json isn't the published file any more"):
        local_store.pull(MODEL, 1, place)
    assert (place / "classes.json").read_text() == "edited by hand"


def test_one_flipped_byte_on_the_shelf_is_found_by_pull(
    local_store: ModelStore, folder: Path, tmp_path: Path
) -> None:
    publish(local_store, folder)
    stored = tmp_path / "shelf" / MODEL / "1" / "model.onnx"
    damaged = bytearray(stored.read_bytes())
    damaged[500] ^= 1
    stored.unlink()
    stored.write_bytes(damaged)
    with pytest.raises(Corrupt, match=r"model\.onnx: the bytes aren't the published ones"):
        local_store.pull(MODEL, 1, tmp_path / "p")
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize("lost", [b"", b"{}", None])
def test_a_damaged_or_missing_manifest_is_corrupt(
    local_store: ModelStore, folder: Path, tmp_path: Path, lost: bytes | None
) -> None:
    publish(local_store, folder)
    path = tmp_path / "shelf" / MODEL / "1" / "manifest.json"
    path.unlink()
    if lost is not None:
        path.write_bytes(lost)
    with pytest.raises(Corrupt, match="publish"):
        local_store.manifest(MODEL, 1)


def test_an_interrupted_pull_goes_on_where_it_was(
    local_store: ModelStore, folder: Path, tmp_path: Path
) -> None:
    publish(local_store, folder)

    def interrupt(_stage: str, done: int, _total: int) -> None:
        if done > 600:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        local_store.pull(MODEL, 1, tmp_path / "p", progress=interrupt)
    assert not (tmp_path / "p").exists()
    files = contents(local_store.pull(MODEL, 1, tmp_path / "p"))
    files.pop("manifest.json")
    assert files == contents(folder)


def test_a_damaged_remainder_of_an_interrupted_pull_is_thrown_away(
    local_store: ModelStore, folder: Path, tmp_path: Path
) -> None:
    publish(local_store, folder)
    sha256 = local_store.catalog(MODEL).find(1).manifest_sha256
    rest = tmp_path / f".p.pull-{sha256[:12]}"
    rest.mkdir()
    (rest / ".model.onnx.part").write_bytes(b"not its beginning")
    (rest / "classes.json").write_bytes(b"not the classes")
    (rest / "stray").write_bytes(b"of an earlier pull")
    files = contents(local_store.pull(MODEL, 1, tmp_path / "p"))
    files.pop("manifest.json")
    assert files == contents(folder)


Spoil = Callable[[Path], object]


@pytest.mark.parametrize(
    ("spoil", "error", "reason"),
    [
        (lambda folder: (folder / "link").symlink_to("/etc/passwd"), InvalidName, "symbolic link"),
        (lambda folder: (folder / "a\\b").touch(), InvalidName, "forward slashes"),
        (lambda folder: (folder / "modèle").touch(), InvalidName, "use A-Z"),
        (lambda folder: (folder / ".hidden").touch(), InvalidName, "use A-Z"),
        (lambda folder: (folder / "n\nn").touch(), InvalidName, r"n\\nn"),
        (lambda folder: (folder / ("x" * 200)).touch(), InvalidName, "at most 128"),
        (lambda folder: (folder / "MODEL.onnx").touch(), InvalidName, "differ only in case"),
        (lambda folder: (folder / "classes.json").unlink(), InvalidVersion, "no classes.json"),
        (lambda folder: (folder / "classes.json").write_text("["), InvalidVersion, "truncated"),
        (lambda folder: (folder / "classes.json").write_text("[]"), InvalidVersion, "no class"),
    ],
)
def test_a_folder_that_cannot_be_a_version_is_refused_with_the_reason(
    local_store: ModelStore, folder: Path, spoil: Spoil, error: type[Exception], reason: str
) -> None:
    spoil(folder)
    with pytest.raises(error, match=reason):
        publish(local_store, folder)
    assert local_store.catalog(MODEL).next_version == 1


def test_a_folder_without_a_model_is_refused(local_store: ModelStore, folder: Path) -> None:
    (folder / "model.onnx").unlink()
    (folder / "saved_model.pb").unlink()
    with pytest.raises(InvalidVersion, match=r"neither saved_model\.pb nor"):
        publish(local_store, folder)


@pytest.mark.parametrize(
    ("metrics", "reason"),
    [
        ({"model.onnx": {"top1": math.nan}}, "metric 'top1' of 'model.onnx' is nan"),
        ({"model.int8.onnx": {"top1": 0.5}}, "metrics for 'model.int8.onnx'"),
    ],
)
def test_metrics_that_say_nothing_are_refused(
    local_store: ModelStore, folder: Path, metrics: dict[str, dict[str, float]], reason: str
) -> None:
    with pytest.raises(InvalidVersion, match=reason):
        local_store.publish(MODEL, folder, signature=SIGNATURE, metrics=metrics, lineage=LINEAGE)


def test_hyperparameters_that_json_cannot_hold_are_refused_and_the_number_is_released(
    store: ModelStore, folder: Path
) -> None:
    lineage = Lineage(
        code_version="1",
        data_digest="2",
        mode="single",
        world_size=1,
        hyperparameters={"optimizer": object()},
        started_at="",
        finished_at="",
        host="",
    )
    with pytest.raises(InvalidVersion, match="can't be written as JSON"):
        store.publish(MODEL, folder, signature=SIGNATURE, metrics={}, lineage=lineage)
    catalog = store.catalog(MODEL)
    assert (catalog.versions, catalog.reservations) == ((), ())
    assert publish(store, folder).version == 2


def test_a_file_that_changes_while_it_is_published_is_refused(
    local_store: ModelStore, folder: Path
) -> None:
    def grow(_stage: str, _done: int, _total: int) -> None:
        with (folder / "model.onnx").open("ab") as file:
            file.write(b"more")

    with pytest.raises(InvalidVersion, match="changed while it was being published"):
        local_store.publish(
            MODEL, folder, signature=SIGNATURE, metrics={}, lineage=LINEAGE, progress=grow
        )
    assert local_store.catalog(MODEL).versions == ()


def test_a_version_is_committed_beside_one_that_overtook_it(
    store: ModelStore, folder: Path
) -> None:
    overtaking: list[Manifest] = []

    def overtake(_stage: str, done: int, total: int) -> None:
        if done == total and not overtaking:
            overtaking.append(publish(store, folder))

    slow = store.publish(
        MODEL, folder, signature=SIGNATURE, metrics={}, lineage=LINEAGE, progress=overtake
    )
    catalog = store.catalog(MODEL)
    assert [slow.version, *(each.version for each in overtaking)] == [1, 2]
    assert ([each.version for each in catalog.versions], catalog.reservations) == ([1, 2], ())


def test_check_writable_passes_and_leaves_nothing_behind(
    local_store: ModelStore, tmp_path: Path
) -> None:
    local_store.check_writable(MODEL)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("model", ["", "..", "a/b", "/etc", ".hidden", "modèle", "x" * 65, "a\0b"])
def test_a_model_name_that_could_leave_the_store_is_refused(
    local_store: ModelStore, folder: Path, model: str
) -> None:
    for use in (local_store.catalog, local_store.check_writable):
        with pytest.raises(InvalidName, match="model name"):
            use(model)
    with pytest.raises(InvalidName, match="model name"):
        publish(local_store, folder, model)


def test_a_symbolic_link_does_not_lead_out_of_the_store(
    local_store: ModelStore, folder: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "shelf").mkdir()
    (tmp_path / "shelf" / MODEL).symlink_to(outside)
    with pytest.raises(InvalidName, match="leaves the store"):
        publish(local_store, folder)
    assert list(outside.iterdir()) == []


def test_a_version_that_was_pulled_can_be_published_again(
    local_store: ModelStore, folder: Path, tmp_path: Path
) -> None:
    publish(local_store, folder)
    again = publish(local_store, local_store.pull(MODEL, 1, tmp_path / "p"))
    assert again.version == 2
    assert again.files == local_store.manifest(MODEL, 1).files


def test_the_version_of_a_large_model_survives_the_journey(
    store: ModelStore, tmp_path: Path
) -> None:
    folder = make_folder(tmp_path / "large", size=(17 << 20) + 3)
    publish(store, folder)
    assert contents(store.pull(MODEL, 1, tmp_path / "p")).items() >= contents(folder).items()

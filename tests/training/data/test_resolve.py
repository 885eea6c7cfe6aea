import shutil
from pathlib import Path

import pytest

from tests.training.fakes import RecordedBars
from training.data.generate import GeneratedSize, generate
from training.data.prepare import prepare
from training.data.resolve import find, remember, resolve
from training.errors import DataError


def test_without_data_the_user_is_told_what_there_is(tmp_path: Path, bars: RecordedBars) -> None:
    with pytest.raises(DataError, match="--data generated or --preset NAME"):
        resolve(None, tmp_path, bars)
    with pytest.raises(DataError, match="make data"):
        resolve("tiny-imagenet-200", tmp_path / "cache", bars, sources=tmp_path / "data")


def test_tiny_imagenet_is_what_was_prepared_last(
    drawn: Path, tmp_path: Path, bars: RecordedBars
) -> None:
    cache = tmp_path / "cache"
    other = generate(
        tmp_path / "other", GeneratedSize(train_per_class=1, val_per_class=1, seed=7), bars
    )
    for source in (other, drawn):
        prepared = prepare(source, cache, bars)
        remember(prepared, cache)
        named = resolve("tiny-imagenet-200", cache, bars, sources=tmp_path / "data")
        assert named.digest == prepared.digest


def test_a_download_is_found_after_the_cache_is_gone(
    drawn: Path, tmp_path: Path, bars: RecordedBars
) -> None:
    shutil.copytree(drawn, tmp_path / "data" / "tiny-imagenet-200")
    data = resolve("tiny-imagenet-200", tmp_path / "cache", bars, sources=tmp_path / "data")
    assert data.class_count == 200


def test_generated_is_what_was_drawn_before(
    drawn: Path, tmp_path: Path, bars: RecordedBars
) -> None:
    shutil.copytree(drawn, tmp_path / "data" / "generated")
    data = resolve("generated", tmp_path / "cache", bars, sources=tmp_path / "data")
    assert len(data.train) == 200


def test_prepared_data_is_found_by_its_digest(
    tmp_path: Path, drawn: Path, bars: RecordedBars
) -> None:
    cache = tmp_path / "cache"
    data = prepare(drawn, cache, bars)
    damaged = cache / "prepared-0"
    shutil.copytree(data.folder, damaged)
    (damaged / "val_labels.npy").write_bytes(b"")
    assert find(data.digest, cache).folder == data.folder
    with pytest.raises(DataError, match="has no data of digest 000000000000; name it with --data"):
        find("0" * 64, cache)

from pathlib import Path

import pytest

from tests.training.fakes import RecordedBars
from training.data.prepare import prepare
from training.data.size import size_of
from training.errors import DataError


def test_a_folder_is_counted_by_its_names_and_nothing_is_decoded(
    drawn: Path, tmp_path: Path
) -> None:
    size = size_of(str(drawn), tmp_path)
    assert (size.classes, size.train_images, size.val_images) == (200, 200, 200)
    assert "not prepared yet" in size.known_from
    assert list(tmp_path.iterdir()) == []


def test_prepared_data_is_asked_itself(drawn: Path, tmp_path: Path, bars: RecordedBars) -> None:
    prepared = prepare(drawn, tmp_path, bars)
    size = size_of(str(drawn), tmp_path)
    assert (size.classes, size.train_images, size.val_images) == (200, 200, 200)
    assert size.known_from == f"prepared in {prepared.folder}"


@pytest.mark.parametrize(
    ("data", "images", "known_from"),
    [
        (None, 100_000, "no --data given"),
        ("tiny-imagenet-200", 100_000, "isn't here yet"),
        ("generated", 8_000, "not drawn yet"),
    ],
)
def test_named_data_that_is_not_here_has_the_size_it_will_have(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    data: str | None,
    images: int,
    known_from: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    size = size_of(data, tmp_path / "cache", sources=tmp_path / "sources")
    assert (size.classes, size.train_images) == (200, images)
    assert known_from in size.known_from
    assert list(tmp_path.iterdir()) == []


def test_a_path_without_a_data_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        size_of(str(tmp_path / "nowhere"), tmp_path)

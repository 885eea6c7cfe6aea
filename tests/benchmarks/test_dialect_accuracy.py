"""Accuracy by every dialect of a service whose model says class 2, on images half of which are."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks import dialect_accuracy
from tests.system.running import jpeg
from tests.system.two_versions import two_versions
from tests.tiny_model import CLASSES

RIGHT, WRONG = "n00000002", "n00000003"


def data_set(folder: Path) -> Path:
    wnids = [f"n{n:08d}" for n in range(CLASSES)]
    for wnid in wnids:
        images = folder / "train" / wnid / "images"
        images.mkdir(parents=True)
        (images / f"{wnid}_0.JPEG").write_bytes(b"")
    (folder / "wnids.txt").write_text("\n".join(wnids))
    (folder / "words.txt").write_text("".join(f"{w}\tclass {int(w[1:])}\n" for w in wnids))
    (folder / "val" / "images").mkdir(parents=True)
    lines = []
    for n in range(60):
        (folder / "val" / "images" / f"val_{n}.JPEG").write_bytes(jpeg(n))
        lines.append(f"val_{n}.JPEG\t{RIGHT if n % 2 else WRONG}\t0\t0\t63\t63\n")
    (folder / "val" / "val_annotations.txt").write_text("".join(lines))
    return folder


@pytest.mark.system
def test_each_dialect_is_asked_about_each_image_and_compared_with_what_is_stated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = data_set(tmp_path / "data")
    with two_versions(tmp_path) as running:
        for stated, exit_code in (("0.5", 0), ("0.52", 1)):
            words = ["--data", str(data), "--service", running.url, "--expect", stated]
            monkeypatch.setattr(sys, "argv", ["dialect_accuracy", *words])
            assert dialect_accuracy.main() == exit_code
            lines = capsys.readouterr().out.splitlines()
            assert len(lines) == 11
            assert all("50.00% of 60 images" in line for line in lines[:-1])

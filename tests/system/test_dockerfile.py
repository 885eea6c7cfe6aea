"""What the Dockerfile copies is enough to run what it starts."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.system.running import ROOT, SERVICE_PYTHON

pytestmark = pytest.mark.system


def copied(target: str) -> list[str]:
    """Return what the stage of that name copies from the checkout."""
    sources: list[str] = []
    stage = ""
    for line in (ROOT / "Dockerfile").read_text().splitlines():
        words = line.split()
        if words[:1] == ["FROM"]:
            stage = words[-1]
        elif words[:1] == ["COPY"] and stage in ("base", target):
            sources.append(words[1])
    return sources


@pytest.mark.parametrize(
    ("target", "python", "arguments"),
    [
        ("service", str(SERVICE_PYTHON), ["-m", "service", "--print-config"]),
        ("training", sys.executable, ["-m", "training", "train", "--preset", "quickstart", "-h"]),
    ],
)
def test_a_target_holds_everything_it_needs(
    target: str, python: str, arguments: list[str], tmp_path: Path
) -> None:
    for source in copied(target):
        place = tmp_path / source
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, place)
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / source, place)
    done = subprocess.run(
        [python, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("target", ["service", "training"])
def test_docker_may_see_what_it_is_to_copy(target: str) -> None:
    allowed = [
        line[1:]
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    ]
    assert all(
        each.rstrip("/") in allowed for each in copied(target) if not each.startswith("tools")
    )
    assert "tools/build_horovod.py" in allowed

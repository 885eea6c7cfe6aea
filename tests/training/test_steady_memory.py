"""The trainer's memory over a long run; in a process of its own, so that nothing else counts."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

STEPS = 2600
# Checkpoints every 100 steps; the first six settle buffers, threads and the allocator.
SETTLED = 6
BOUND_BYTES = 4_000_000


@pytest.mark.timeout(600)
def test_memory_stays_flat_over_two_thousand_steps(tmp_path: Path) -> None:
    """The real trainer and pipeline, with evaluations and checkpoints on the way."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.training.programs.steady_run", tmp_path, str(STEPS)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    samples = json.loads(done.stdout.splitlines()[-1])[SETTLED:]
    assert (len(samples) - 1) * 100 >= 1900
    assert max(samples[-5:]) - samples[0] < BOUND_BYTES

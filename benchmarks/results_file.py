"""Where results of benchmarks are kept: `benchmarks/results/NAME.json`, with date and machine."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "results"


def write_results(name: str, *, command: str, machine: Any, results: Any) -> Path:
    """Write what was measured, by which command, when and on what; return the file.

    `machine` and `results` are made of what JSON knows. An older result of the name is replaced;
    git keeps it.
    """
    FOLDER.mkdir(exist_ok=True)
    content = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command,
        "machine": machine,
        "results": results,
    }
    path = FOLDER / f"{name}.json"
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", "utf-8")
    return path

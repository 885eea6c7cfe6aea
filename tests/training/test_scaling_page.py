"""The page on scaling says what its results say."""

from __future__ import annotations

import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
RESULTS = "benchmarks/results/scaling.json"


def test_the_predicted_table_has_the_numbers_of_the_file_that_it_names() -> None:
    page = (ROOT / "docs" / "scaling.md").read_text("utf-8")
    section = page[page.index("\n## Predicted\n") :]
    assert RESULTS in section
    results = json.loads((ROOT / RESULTS).read_text("utf-8"))["results"]
    rate = round(results["batch_size"] / results["seconds_a_step"]["alone"])
    table = ""
    for device, times in (
        ("efficiency", 1),
        ("efficiency_of_a_device_ten_times_as_fast", 10),
        ("efficiency_of_a_device_a_hundred_times_as_fast", 100),
    ):
        assert f"{rate * times:,} images/s |" in section
        for network, by_ranks in results[device].items():
            numbers = " | ".join(f"{value:.0%}" for value in by_ranks.values())
            table += f"{network} | {numbers} |\n"
    rows = re.findall(r"^\|.*?\| (\d+ Gbit/s.*)$", section, re.MULTILINE)
    assert len(rows) == 9
    assert [row for row in rows if f"{row}\n" not in table] == []

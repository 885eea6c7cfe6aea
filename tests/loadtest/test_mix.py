from __future__ import annotations

import re
from pathlib import Path

import pytest

from loadtest.mix import MixError, parse_mix

SCENARIOS = ("single", "batches", "v2")


def test_a_mix_comes_from_the_command_line_or_from_a_file(tmp_path: Path) -> None:
    expected = {"single": 6, "v2": 0.5}
    assert parse_mix("single=6, v2=0.5", SCENARIOS) == expected
    path = tmp_path / "mix"
    path.write_text("# weekdays\nsingle = 6\n\nv2 = 0.5  # few\n")
    assert parse_mix(str(path), SCENARIOS) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("singel=6", "no scenario 'singel'; there are batches, single, v2"),
        ("single=many", "'single=many': a weight is a number"),
        ("single=-1", "a weight is a number"),
        ("single=0", "gives no scenario a weight"),
        ("no-such-file", "neither a mix such as 'single=6,batches=1' nor a file"),
    ],
)
def test_what_is_wrong_with_a_mix_is_said(text: str, said: str) -> None:
    with pytest.raises(MixError, match=re.escape(said)):
        parse_mix(text, SCENARIOS)

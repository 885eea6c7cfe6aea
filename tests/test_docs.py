"""What the documentation says can be typed works as written.

A page joins by standing in PAGES: then each of its fenced blocks is tagged `python`, `sh` or
`text`, or says on the line before it `<!-- not run: reason -->`. They run in a folder that looks
like a checkout with environments and a shelf of two versions.
"""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from pathlib import Path

import pytest

import model_store
from model_store import open_store
from tests.doc_blocks import (
    PYTHON,
    ROOT,
    SHELL,
    Block,
    blocks_of,
    run_page,
    without_a_say,
)
from tests.model_store.material import make_folder, publish

PAGES = ("docs/model-store.md", "README.md")
MODULES = sorted(
    each.name
    for each in pkgutil.walk_packages(model_store.__path__, "model_store.")
    if not each.name.endswith("__main__")
)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder like a checkout after `make run` and one more training."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    (folder / ".venv").symlink_to(ROOT / ".venv")
    store = open_store(f"file://{folder}/shelf")
    for seed in range(2):
        publish(store, make_folder(tmp_path / f"offered-{seed}", seed=seed))
    return folder


@pytest.mark.parametrize("page", PAGES)
def test_every_block_of_a_page_is_run_or_says_why_not(page: str) -> None:
    assert without_a_say(blocks_of((ROOT / page).read_text())) == []


@pytest.mark.parametrize("language", [PYTHON, SHELL])
@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_shows_works_as_written(page: str, language: str, checkout: Path) -> None:
    done = run_page(ROOT / page, language, checkout)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["model_store", *MODULES])
def test_examples_in_docstrings_say_what_happens(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0
    assert name != "model_store" or result.attempted > 10


def test_the_shelfs_page_has_examples_in_both_languages() -> None:
    blocks = blocks_of((ROOT / "docs/model-store.md").read_text())
    for language in (PYTHON, SHELL):
        assert [each for each in blocks if each.language == language and each.not_run is None]


PAGE = """\
```python
x = 1
```
text
```
what is this
```
<!-- not run: needs a GPU -->
```
reset
```
```python
print(x + 1)
```
"""


def test_blocks_know_their_lines_and_why_they_are_not_run() -> None:
    blocks = blocks_of(PAGE)
    assert blocks[0] == Block(2, "python", "x = 1\n")
    assert [(each.line, each.not_run) for each in blocks[1:3]] == [(6, None), (10, "needs a GPU")]
    assert without_a_say(blocks) == [6]


def test_blocks_of_a_page_are_one_session_and_a_failure_names_its_line(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    assert run_page(page, PYTHON, tmp_path).stdout == "2\n"
    page.write_text(PAGE.replace("x + 1", "y"))
    assert f'{page}", line 13' in run_page(page, PYTHON, tmp_path).stderr
    page.write_text("```sh\ncd .\n```\n\n```sh\nfalse\n```\n")
    done = run_page(page, SHELL, tmp_path)
    assert (done.returncode, done.stderr) == (1, "# line 2\n# line 6\n")

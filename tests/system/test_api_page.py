"""What docs/api.md shows works as written, in all its languages, with a real service."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doc_blocks import JAVASCRIPT, PYTHON, ROOT, SHELL, blocks_of, run_page, without_a_say
from tests.system.two_versions import ADMIN_TOKEN, CLIENTS_PYTHON, TwoVersions, two_versions

pytestmark = pytest.mark.system

PAGE = ROOT / "docs" / "api.md"
ADDRESS = "127.0.0.1:8000"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoVersions]:
    with two_versions(tmp_path_factory.mktemp("api")) as found:
        yield found


@pytest.fixture
def reader(running: TwoVersions, tmp_path: Path) -> Path:
    """A folder with the examples, the page with this service's address, and a curl that fails."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    (tmp_path / ".curlrc").write_text("fail-with-body\nsilent\nshow-error\n")
    text = PAGE.read_text().replace(ADDRESS, running.url.removeprefix("http://"))
    (tmp_path / "api.md").write_text(text)
    return tmp_path


def test_every_block_is_run_or_says_why_not() -> None:
    assert without_a_say(blocks_of(PAGE.read_text())) == []


@pytest.mark.parametrize("language", [SHELL, PYTHON, JAVASCRIPT])
def test_the_page_works_as_written(reader: Path, language: str) -> None:
    done = run_page(
        reader / "api.md",
        language,
        reader,
        python=CLIENTS_PYTHON,
        TOKEN=ADMIN_TOKEN,
        CURL_HOME=str(reader),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout


@pytest.mark.parametrize("language", [SHELL, PYTHON, JAVASCRIPT])
@pytest.mark.parametrize(
    "dialect", ["## Simple", "## TensorFlow Serving v1", "## Open Inference Protocol v2"]
)
def test_each_dialect_has_examples_in_each_language(dialect: str, language: str) -> None:
    section = PAGE.read_text().split(f"\n{dialect}\n")[1].split("\n## ")[0]
    assert [each for each in blocks_of(section) if each.language == language]

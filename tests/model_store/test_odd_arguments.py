"""Whatever somebody types or writes down is answered with one line, never with a traceback."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from model_store import Catalog, Corrupt, InvalidVersion, ModelStore
from model_store.arguments import build_parser, duration
from model_store.catalog_json import decode_catalog, encode_catalog
from model_store.commands import watch
from model_store.console import Console
from model_store.identity import MAX_USER_CHARS, who
from model_store.transitions import reserve
from tests.model_store.command_line import Run
from tests.model_store.material import AT, MODEL, long_catalog, publish
from tests.model_store.memory_backend import MemoryBackend

NESTED = "[" * 20_000


@pytest.mark.parametrize(
    "arguments",
    [
        ("gc", "--older-than", "999999d"),
        ("gc", "--older-than", "99999999999d"),
        ("gc", "--older-than", "9" * 5000 + "s"),
        ("gc", "--older-than", "٣d"),
        ("watch", "--every", "99999999d"),
        ("watch", "--every", "0s"),
    ],
)
def test_a_time_that_nobody_can_wait_for_is_wrong_usage(
    run: Run, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        run(*arguments)
    told = capsys.readouterr().err.splitlines()[-1]
    assert f"argument {arguments[1]}: " in told
    assert len(told) < 200


def test_a_hundred_years_are_as_long_as_it_gets(shelf: Run) -> None:
    assert duration("36500d").days == 36_500
    assert shelf("gc", "--older-than", "36500d", "--dry-run").code == 0


@pytest.mark.parametrize("number", ["9" * 5000, "9" * 30])
def test_a_version_of_thousands_of_digits_is_not_found(shelf: Run, number: str) -> None:
    for command in (["show", number], ["label", "canary", number], ["weights", f"{number}=1"]):
        answer = shelf(*command)
        assert answer.code == 3
        assert "has no version '999" in answer.err
        assert "it has 1, 2" in answer.err
        assert len(answer.err) < 200


def test_a_long_name_that_is_nothing_is_not_repeated_in_full(shelf: Run) -> None:
    assert len(shelf("show", "x" * 5000).err) < 200


@pytest.mark.parametrize(
    ("user", "shown"),
    [
        ("anna", "anna"),
        ("\udcff", r"\udcff"),
        ("x" * 1000, "x" * MAX_USER_CHARS + "…"),
    ],
)
def test_whatever_user_is_named_can_be_written_into_the_history(
    shelf: Run, monkeypatch: pytest.MonkeyPatch, user: str, shown: str
) -> None:
    monkeypatch.setenv("HOTSHELF_USER", user)
    assert who().partition("@")[0] == shown
    assert shelf("label", "canary", 1).code == 0
    assert shelf("history", "--json").json[-1]["by"] == who()


def published_with(run: Run, folder: Path, data: Path, **facts: object) -> str:
    """Return why `publish --data` refuses these facts."""
    told = json.loads(data.read_text())
    data.write_text(json.dumps(told | facts))
    answer = run("publish", folder, "--data", data)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.count("\n") == 1
    return answer.err


def test_data_of_a_model_without_inputs_is_refused(run: Run, folder: Path, data: Path) -> None:
    signature = json.loads(data.read_text())["signature"] | {"inputs": []}
    told = published_with(
        run, folder, data, signature=signature, self_test={"images": "", "answers": {}}
    )
    assert "the signature has no input" in told


@pytest.mark.parametrize("name", ["a" * 300, "../../etc/passwd", "a\0b"])
def test_data_with_a_file_name_that_cannot_be_one_is_refused(
    run: Run, folder: Path, data: Path, name: str
) -> None:
    told = published_with(run, folder, data, files=[{"name": name, "size": 1, "sha256": ""}])
    assert "error: file name '" in told


def test_data_nested_too_deep_is_refused(run: Run, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "d.json").write_text(f'{{"unknown": {NESTED}')
    answer = run("publish", folder, "--data", tmp_path / "d.json")
    assert (answer.code, "d.json: maximum recursion depth" in answer.err) == (2, True)


def test_data_that_is_a_folder_is_said_to_be_one(run: Run, folder: Path, tmp_path: Path) -> None:
    answer = run("publish", folder, "--data", tmp_path)
    assert (answer.code, answer.out) == (2, "")
    assert f"reading {tmp_path}: a folder is where a file should be" in answer.err


def test_classes_nested_too_deep_are_refused(local_store: ModelStore, folder: Path) -> None:
    (folder / "classes.json").write_text(NESTED)
    with pytest.raises(InvalidVersion, match=r"classes\.json"):
        publish(local_store, folder)


@pytest.mark.parametrize("key", ["format", "labels", "unknown"])
def test_a_catalog_nested_too_deep_is_corrupt(
    shelf: Run, local_store: ModelStore, tmp_path: Path, key: str
) -> None:
    catalog = tmp_path / "shelf" / MODEL / "catalog.json"
    catalog.write_text(f'{{"format": 1, "{key}": {NESTED}')
    with pytest.raises(Corrupt, match="isn't a catalog"):
        local_store.catalog(MODEL)
    assert shelf("gc").code == 5


@pytest.mark.parametrize(
    "at", ["", "yesterday", "2026-13-01T00:00:00Z", "0001-01-01T00:00:00+14:00"]
)
def test_a_reservation_of_no_date_is_corrupt(at: str) -> None:
    data = encode_catalog(reserve(long_catalog(1), token="t", at=at, by="anna@desk"))
    with pytest.raises(Corrupt, match=r"2 was reserved at .* which is no date; restore"):
        decode_catalog(data, model=MODEL, etag=None, where="catalog.json")
    sound = encode_catalog(reserve(long_catalog(1), token="t", at=AT, by="anna@desk"))
    assert decode_catalog(sound, model=MODEL, etag=None, where="catalog.json").reservations


def test_an_empty_store_is_a_mistake_and_not_the_environments(shelf: Run) -> None:
    answer = shelf("list", "--store", "")
    assert (answer.code, answer.out) == (2, "")
    assert "store URL ''" in answer.err


STEERING = "an\x1b[2J\nna\x9b"


def test_nothing_from_a_catalog_steers_the_terminal(
    shelf: Run, monkeypatch: pytest.MonkeyPatch, folder: Path, data: Path
) -> None:
    monkeypatch.setenv("HOTSHELF_USER", STEERING)
    shelf("publish", folder, "--data", data, "--label", "production")
    conflict = shelf("label", "production", 1, "--from", "none")
    assert (conflict.code, "an�[2J�na�@" in conflict.err) == (4, True)
    for command in (["list"], ["show", 3], ["history"]):
        shown = shelf(*command).out
        assert "an�[2J�na�@" in shown
        assert "\x1b" not in shown


class Growing(ModelStore):
    """Has one version more at each look."""

    folder = Path()

    def catalog(self, model: str, *, known: Catalog | None = None) -> Catalog:
        found = super().catalog(model, known=known)
        publish(self, self.folder)
        return found


def test_what_is_watched_does_not_steer_the_terminal(folder: Path) -> None:
    store = Growing("test://shelf", MemoryBackend(), who=lambda: STEERING)
    store.folder = folder
    args = build_parser().parse_args(["watch", "--changes", "1"])
    args.every *= 0
    out = io.StringIO()
    watch(args, store, Console(out, io.StringIO(), io.StringIO()))
    [line] = out.getvalue().splitlines()
    assert line.endswith(" an�[2J�na� published 1")

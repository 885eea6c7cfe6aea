"""`python -m model_store`, as people and programs use it."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from model_store import Catalog, Denied, ModelStore
from model_store.arguments import build_parser
from model_store.changing_commands import publish as publish_command
from model_store.console import Console
from tests.model_store.command_line import Answer, Run
from tests.model_store.material import MODEL, contents, publish
from tests.model_store.memory_backend import MemoryBackend


def test_list_shows_the_newest_first_with_labels(shelf: Run) -> None:
    lines = shelf("list").out.splitlines()
    assert [line.split()[0] for line in lines] == ["VERSION", "2", "1"]
    assert lines[1].endswith("production")
    listing = shelf("list", "--json").json
    assert [each["version"] for each in listing["versions"]] == [2, 1]
    assert listing["labels"] == {"production": 2}


def test_list_of_an_empty_shelf_says_so(run: Run) -> None:
    assert "has no version of resnet50 yet" in run("list").out


def test_list_hides_old_versions_unless_asked(
    shelf: Run, local_store: ModelStore, folder: Path
) -> None:
    for _ in range(20):
        publish(local_store, folder)
    assert shelf("list").out.splitlines()[-1] == "… and 2 older ones; --all shows them"
    assert len(shelf("list", "--all").out.splitlines()) == 23


def test_show_tells_files_metrics_signature_and_lineage(shelf: Run) -> None:
    text = shelf("show", "production").out
    for expected in ("resnet50 2 (production)", "model.onnx", "0.61", "[N, 64, 64, 3]", "horovod"):
        assert expected in text
    assert shelf("show", "2", "--json").json["lineage"]["world_size"] == 4


def test_latest_is_one_number(shelf: Run) -> None:
    assert shelf("latest").out == "2\n"
    assert shelf("latest", "--json").json["version"] == 2


def test_pull_brings_a_labelled_version(shelf: Run, folder: Path, tmp_path: Path) -> None:
    assert shelf("pull", "production", tmp_path / "p").out == f"{tmp_path / 'p'}\n"
    assert contents(tmp_path / "p").items() >= contents(folder).items()
    answer = shelf("pull", "1", tmp_path / "q", "--file", "model.onnx", "--json").json
    assert answer == {"model": MODEL, "version": 1, "folder": str(tmp_path / "q")}
    assert set(contents(tmp_path / "q")) == {"model.onnx", "manifest.json"}


def test_labels_move_roll_back_and_go(shelf: Run) -> None:
    assert shelf("label", "production", "1").out == "resnet50: production 2 → 1\n"
    assert shelf("rollback").out == "resnet50: production 1 → 2\n"
    assert shelf("unlabel", "production", "--json").json["after"] is None
    actions = [each["action"] for each in shelf("history", "--json").json]
    assert actions == ["label", "label", "rollback", "unlabel"]
    assert "rollback" in shelf("history").out


def test_label_from_refuses_when_the_label_is_elsewhere(shelf: Run) -> None:
    answer = shelf("label", "production", "1", "--from", "none")
    assert (answer.code, answer.out) == (4, "")
    assert "production pointed at nothing when you looked and points at version 2" in answer.err
    assert shelf("label", "production", "1", "--from", "2").code == 0


def test_weights_are_shown_set_and_cleared(shelf: Run) -> None:
    shelf("label", "production", 1)
    assert shelf("weights").out == "resnet50: none\n"
    assert shelf("weights", "production=90", "2=10").out == "resnet50: none → 1=90 2=10\n"
    assert shelf("weights", "--json").json["after"] == {"1": 90, "2": 10}
    assert shelf("weights", "--clear").out == "resnet50: 1=90 2=10 → none\n"
    assert "none       1=90 2=10" in shelf("history").out


@pytest.mark.parametrize("weights", [("2",), ("2=x",), ("2=0",), ("2=1", "2=3")])
def test_weights_that_mean_nothing_are_wrong_usage(shelf: Run, weights: tuple[str, ...]) -> None:
    answer = shelf("weights", *weights)
    assert answer.code == 2
    assert answer.err.startswith("error: ")


def test_a_version_is_loaded_and_unloaded_by_hand(shelf: Run) -> None:
    assert "resnet50 1: loaded wherever services follow" in shelf("load", 1).out
    assert shelf("unload", 1, "--json").json == {
        "model": "resnet50", "loaded": [], "unloaded": [1],
    }  # fmt: skip
    shelf("label", "production", 2)
    assert shelf("unload", "production").code == 4


def test_diff_puts_metrics_lineage_and_size_side_by_side(shelf: Run) -> None:
    text = shelf("diff", "1", "latest").out
    assert "metrics model.onnx top1" in text
    assert "size model.onnx" in text
    rows = {row["what"]: (row["left"], row["right"]) for row in shelf("diff", 1, 2, "--json").json}
    assert rows["metrics model.onnx top1"] == (0.61, 0.61)


@pytest.mark.parametrize(("typed", "left"), [("y\n", [2]), ("n\n", [2, 1]), ("", [2, 1])])
def test_delete_asks_first(shelf: Run, typed: str, left: list[int]) -> None:
    answer = shelf("delete", "1", answers=typed)
    assert "Delete resnet50 1 from file:///" in answer.err
    assert [each["version"] for each in shelf("list", "--json").json["versions"]] == left


def test_delete_without_anybody_to_ask_needs_yes(shelf: Run) -> None:
    answer = shelf("delete", "1")
    assert (answer.code, "add --yes" in answer.err) == (2, True)
    assert shelf("delete", "1", "--yes").out == "deleted resnet50 1\n"


def test_delete_of_a_labelled_version_is_refused(shelf: Run) -> None:
    answer = shelf("delete", "2", "--yes")
    assert (answer.code, "is labelled production" in answer.err) == (4, True)


def test_gc_tells_before_it_removes(shelf: Run, tmp_path: Path) -> None:
    leftover = tmp_path / "shelf" / MODEL / "_stage-9-0a1b2c3d4e5f" / "model.onnx"
    leftover.parent.mkdir()
    leftover.write_bytes(b"12345")
    os.utime(leftover, (1, 1))
    dry = shelf("gc", "--dry-run")
    assert "would remove 1 orphans, 5 B" in dry.out
    assert shelf("gc").code == 2
    assert leftover.exists()
    assert shelf("gc", "--yes", "--json").json["orphans"][0]["size_bytes"] == 5
    assert not leftover.parent.exists()


def test_verify_fails_on_damage_and_names_it(shelf: Run, tmp_path: Path) -> None:
    assert shelf("verify").code == 0
    (tmp_path / "shelf" / MODEL / "1" / "classes.json").unlink()
    answer = shelf("verify")
    assert answer.code == 5
    assert "resnet50 1: damaged\n  classes.json: it is gone" in answer.out
    assert shelf("verify", "2", "--json").json == {"model": MODEL, "damage": {"2": []}}


def test_watch_prints_changes_as_they_happen(
    shelf: Run, local_store: ModelStore, folder: Path
) -> None:
    answers: list[Answer] = []

    def watch() -> None:
        answers.append(shelf("watch", "--every", "1s", "--changes", "2"))

    watcher = threading.Thread(target=watch)
    watcher.start()
    # Whatever happens before the watcher's first look is no change to it, so that publishing
    # goes on until it has seen enough.
    while watcher.is_alive():
        publish(local_store, folder)
        watcher.join(0.05)
    lines = answers[0].out.splitlines()
    assert len(lines) >= 2
    assert all(" published " in line for line in lines)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["show", "9"], 3, "resnet50 has no version 9; it has 1, 2"),
        (["show", "canary"], 3, "'canary' is no version and no label; labels: production"),
        (["show", "1", "--model", "../x"], 2, "model name '../x'"),
        (["list", "--store", "shelf"], 2, "is a plain path; write file:///"),
        (["publish", "/nowhere", "--data", "/nowhere.json"], 3, "there is no such file"),
    ],
)
def test_an_error_is_one_line_and_a_code_that_means_something(
    shelf: Run, arguments: list[str], code: int, message: str
) -> None:
    answer = shelf(*arguments)
    assert (answer.code, answer.out) == (code, "")
    assert answer.err.startswith("error: ")
    assert message in answer.err
    assert answer.err.count("\n") == 1


def test_debug_adds_the_traceback(shelf: Run) -> None:
    assert "Traceback (most recent call last)" in shelf("show", "9", "--debug").err


def test_without_a_store_the_hint_names_both_ways(run: Run) -> None:
    answer = run("list", store="")
    assert (answer.code, "--store URL or set HOTSHELF_STORE" in answer.err) == (2, True)


def test_data_that_says_too_little_is_refused(run: Run, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "d.json").write_text('{"signature": {}}')
    answer = run("publish", folder, "--data", tmp_path / "d.json")
    assert (answer.code, "missing required field `inputs`" in answer.err) == (2, True)


def test_a_part_of_a_version_is_published_with_the_manifest_that_was_pulled_with_it(
    shelf: Run, folder: Path, data: Path, tmp_path: Path
) -> None:
    (folder / "model.int8.onnx").write_bytes(b"the smaller one")
    facts = json.loads(data.read_text())
    facts["metrics"]["model.int8.onnx"] = {"top1": 0.6}
    (tmp_path / "both.json").write_text(json.dumps(facts))
    whole = shelf("publish", folder, "--data", tmp_path / "both.json", "--json").json
    part = tmp_path / "part"
    files = ["--file", "model.int8.onnx", "--file", "classes.json"]
    assert shelf("pull", whole["version"], part, *files).code == 0
    again = shelf("publish", part, "--data", part / "manifest.json", "--json").json
    assert whole["metrics"].keys() == {"model.onnx", "model.int8.onnx"}
    assert again["metrics"] == {"model.int8.onnx": {"top1": 0.6}}
    assert [file["name"] for file in again["files"]] == ["classes.json", "model.int8.onnx"]


def test_metrics_of_a_file_that_nobody_has_are_a_mistake(
    shelf: Run, folder: Path, data: Path
) -> None:
    facts = json.loads(data.read_text())
    facts["metrics"]["modle.onnx"] = {"top1": 0.6}
    data.write_text(json.dumps(facts))
    answer = shelf("publish", folder, "--data", data)
    assert (answer.code, "modle.onnx" in answer.err) == (2, True)


def worse(data: Path) -> Path:
    facts = json.loads(data.read_text())
    facts["metrics"]["model.onnx"]["top1"] = 0.55
    path = data.with_name("worse.json")
    path.write_text(json.dumps(facts))
    return path


def test_publish_refuses_what_is_worse_than_production_unless_told_otherwise(
    shelf: Run, folder: Path, data: Path
) -> None:
    answer = shelf("publish", folder, "--data", worse(data))
    assert (answer.code, answer.out) == (4, "")
    assert "top-1 55.00%, version 2 (production) 61.00%: 6.00 points worse" in answer.err
    assert shelf("latest").out == "2\n"
    allowed = shelf("publish", folder, "--data", worse(data), "--gate", "6")
    assert allowed.out == "published resnet50 3\n"
    assert "6.00 points worse, 6 allowed" in allowed.err
    assert shelf("publish", folder, "--data", worse(data), "--allow-worse").code == 0


@pytest.mark.parametrize("points", ["-1", "101", "nan", "x"])
def test_a_margin_is_a_number_of_points(
    run: Run, folder: Path, data: Path, points: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        run("publish", folder, "--data", data, f"--gate={points}")
    assert "isn't a number from 0 to 100" in capsys.readouterr().err


def test_a_label_that_cannot_be_one_is_refused_before_anything_is_published(
    run: Run, folder: Path, data: Path
) -> None:
    answer = run("publish", folder, "--data", data, "--label", "bad label")
    assert (answer.code, answer.out) == (2, "")
    assert "label 'bad label': use 1 to 64" in answer.err
    assert run("latest").code == 3


class Unlabelled(ModelStore):
    """One on which labels can't be moved."""

    def label(self, model: str, label: str, version: int, **options: Any) -> Catalog:
        raise Denied("the catalog is read-only")


def test_a_version_that_could_not_be_labelled_is_named(folder: Path, data: Path) -> None:
    store = Unlabelled("test://shelf", MemoryBackend())
    arguments = ["publish", str(folder), "--data", str(data), "--label", "canary"]
    console = Console(io.StringIO(), io.StringIO(), io.StringIO())
    with pytest.raises(Denied) as caught:
        publish_command(build_parser().parse_args(arguments), store, console)
    assert str(caught.value) == (
        "published resnet50 1, but it isn't labelled canary: the catalog is read-only; label it "
        "with: python -m model_store label canary 1 --model resnet50 --store test://shelf"
    )


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_every_command(run: Run, shell: str) -> None:
    script = run("completion", shell).out
    for command in ("list", "rollback", "gc", "watch"):
        assert command in script
    assert "older-than" in script


def test_bash_completes_commands_and_options(run: Run) -> None:
    script = run("completion", "bash").out
    asking = 'COMP_WORDS=(model_store gc --dr); COMP_CWORD=2; _model_store; echo "${COMPREPLY[@]}"'
    answer = subprocess.run(
        ["bash", "-c", f"{script}\n{asking}"], capture_output=True, text=True, check=True
    )
    assert answer.stdout.split() == ["--dry-run"]


def test_every_command_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        build_parser().parse_args(["--help"])
    text = capsys.readouterr().out
    assert "HOTSHELF_STORE" in text
    assert "exit codes:" in text


def test_the_module_runs_as_a_program(local_store: ModelStore, folder: Path) -> None:
    publish(local_store, folder)
    answer = subprocess.run(
        [sys.executable, "-m", "model_store", "latest", "--store", local_store.url],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "1\n", "")

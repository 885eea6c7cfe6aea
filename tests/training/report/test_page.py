"""The page of made-up runs: well-formed, complete, escaped, and on its own."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import numpy as np
import pytest

from tests.training.fakes import RecordedBars
from training.data.layout import ClassName
from training.data.prepared import PreparedData, Split
from training.errors import RunFolderError
from training.evaluation.evaluate import Scores
from training.evaluation.predictions import Collector, Predictions, write_predictions
from training.outlook.machine import Machine
from training.report.data import ReportData, Sizes, gather
from training.report.page import render
from training.report.write import predict_if_missing, write_card, write_report
from training.run.folder import Publication, Result, RunFolder, RunSettings
from training.run.metrics_log import EvalLine, Line, MetricsLog, TrainLine
from training.settings import Recipe
from training.signature import ONNX, SAVED_MODEL

CLASSES = 200
IMAGES = 1000
VOID = {"br", "img", "meta"}
RANDOM = np.random.default_rng(0)


def made_up_predictions(labels: np.ndarray) -> Predictions:
    """Right with probability 0.6, but 4 of 5 images of class 3 are taken for class 9."""
    probabilities = np.full((len(labels), CLASSES), 0.4 / (CLASSES - 1), np.float32)
    guesses = labels.copy()
    guesses[np.flatnonzero(labels == 3)[:4]] = 9
    probabilities[np.arange(len(labels)), guesses] = 0.6
    collector = Collector()
    collector.add(probabilities, labels)
    return collector.predictions()


def made_up_run() -> ReportData:
    labels = np.arange(IMAGES, dtype=np.int32) % CLASSES
    scores = Scores(images=IMAGES, loss=1.25, top1=0.996, top5=1.0)
    return ReportData(
        name="night & day",
        settings=RunSettings(
            mode="horovod",
            world_size=2,
            data_digest="d" * 64,
            recipe=Recipe(epochs=3),
            code_version="v1.2",
            host="here",
            started_at="2026-01-02T03:00:00+00:00",
        ),
        classes=tuple(ClassName(f"n{n:08}", f"class {n}", "") for n in range(CLASSES)),
        train_images=5000,
        val_images=RANDOM.integers(0, 256, (IMAGES, 64, 64, 3), np.uint8),
        trained=tuple(trained(step) for step in range(20, 1001, 20)),
        evaluated=(evaluated(500), evaluated(1000)),
        result=Result(
            step=1000,
            finished_at="2026-01-02T04:01:02+00:00",
            variants={SAVED_MODEL: scores, ONNX: scores},
            max_difference=1e-6,
            agreement=1.0,
            machine=Machine(
                processor="Abacus",
                cores=2,
                memory_bytes=10**9,
                gpus=(),
                system="s",
                python="3",
                versions={},
                code_version="v",
            ),
        ),
        predictions=made_up_predictions(labels),
        sizes=Sizes(300_000_000, 3, {SAVED_MODEL: 97_000_000, ONNX: 95_000_000}),
        publications=(Publication("file:///shelf", "resnet50", 7),),
        written_at="2026-01-02T05:00:00+00:00",
    )


def trained(step: int) -> TrainLine:
    return TrainLine(
        step=step,
        epoch=1,
        loss=1000 / step,
        top1=step / 1000,
        learning_rate=0.1,
        images_per_s=80.0,
        images_a_step=64,
    )


def evaluated(step: int) -> EvalLine:
    return EvalLine(
        step=step,
        epoch=step // 500,
        loss=2.0,
        top1=0.5,
        top5=0.9,
        images=IMAGES,
        train_loss=1.0,
        train_top1=0.4,
    )


class Page(HTMLParser):
    """Parses a page; raises AssertionError for a tag that is left open or closed twice."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.headings: list[int] = []
        self.words = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if re.fullmatch(r"h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def table_of(page: str, caption: str) -> str:
    """The text of the table of this caption, with | between cells and a line for each row."""
    body = page.split(f"<caption>{caption}</caption>")[1].split("</table>", maxsplit=1)[0]
    rows = re.findall(r"<tr>(.*?)</tr>", body)
    cells = (re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in rows)
    return "\n".join("|".join(re.sub(r"<[^>]+>", "", cell) for cell in row) for row in cells)


RUN = made_up_run()
TEXT = render(RUN)


def test_every_tag_is_closed_in_its_place_and_headings_skip_no_level() -> None:
    page = Page(TEXT)
    assert page.headings[0] == 1
    assert page.headings.count(1) == 1
    following = zip(page.headings, page.headings[1:], strict=False)
    assert all(after <= before + 1 for before, after in following)


def test_the_page_asks_nothing_of_anybody() -> None:
    page = Page(TEXT)
    for _, attributes in page.tags:
        for name in ("src", "href", "srcset", "action", "data", "poster"):
            address = attributes.get(name)
            assert address is None or address.startswith(("#", "data:image/jpeg;base64,"))
    for word in ("http:", "https:", "//cdn", "@import", "url(", "<script", "<link", "<iframe"):
        assert word not in TEXT


def test_links_lead_to_places_of_the_page() -> None:
    page = Page(TEXT)
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = [attributes["href"] for attributes in page.all("a")]
    assert len(links) > 5
    assert {f"#{each}" for each in ids} >= set(links)


def test_every_class_is_in_the_table_with_its_accuracy() -> None:
    rows = table_of(TEXT, "All classes, best first").splitlines()[1:]
    assert len(rows) == CLASSES
    assert {row.split("|")[0] for row in rows} == {each.label for each in RUN.classes}
    assert rows[-1] == "class 3|n00000003|5|20%|class 9 (4)"
    assert rows[0] == "class 0|n00000000|5|100%|–"


def test_the_most_confused_pair_is_shown_with_examples_of_both_and_the_mistakes() -> None:
    pairs = TEXT.split('class="pair"')[1:]
    assert len(pairs) == 1
    shown = pairs[0].split("</article>")[0]
    assert "4 of 5 class 3 taken for class 9" in shown
    alts = [each["alt"] for each in Page(f"<article>{shown}</article>").all("img")]
    assert [alt.split(", ")[1] for alt in alts if alt] == ["class 3", "class 9", *["class 3"] * 4]
    assert shown.count("✗ class 9 60%") == 4
    assert shown.count("own class &lt;1%") == 4


def test_headline_cost_and_lineage_say_what_was_measured() -> None:
    words = Page(TEXT).words
    for each in (
        "99.6%",  # top-1
        "13:20",  # 1,000 steps of 64 images at 80 images/s
        "1:01:02, pauses included",
        "64,000, 12.8 × the training images",
        "horovod, 2 devices",
        "here: 2 cores of Abacus",
        "3, together 300.0 MB",
        "97.0 MB",
        "v1.2",
        "d" * 64,
        "resnet50 version 7 to file:///shelf",
    ):
        assert each in words
    assert "--epochs|3 default 10|" in table_of(TEXT, "The recipe")


def test_names_of_classes_and_runs_cannot_become_markup() -> None:
    evil = """<script>alert("1")</script>'"><img src=x onerror=y>&amp;"""
    classes = tuple(ClassName(evil, f"{evil}{n}", evil) for n in range(CLASSES))
    run = msgspec.structs.replace(RUN, name=evil, classes=classes)
    text = render(run)
    page = Page(text)
    assert not page.all("script")
    assert not [each for each in page.all("img") if "onerror" in each or each["src"] == "x"]
    assert f"{evil}3" in page.words
    assert any((each["alt"] or "").endswith(f"{evil}3") for each in page.all("img"))


def test_images_and_charts_have_words_for_those_who_cannot_see_them() -> None:
    page = Page(TEXT)
    assert len(page.all("img")) > 20
    assert all(each["alt"] for each in page.all("img"))
    labels = [each["aria-label"] or "" for each in page.all("svg")]
    assert len(labels) == 7
    assert labels[0].startswith("Loss: training 50 at step 20, 1 at step 1,000; validation 2 at")


def test_a_page_of_two_hundred_classes_is_at_most_a_megabyte_and_a_half() -> None:
    # Noise is what JPEG compresses worst, and a model that guesses has most to show.
    labels = np.arange(IMAGES, dtype=np.int32) % CLASSES
    collector = Collector()
    collector.add(RANDOM.dirichlet(np.ones(CLASSES), IMAGES).astype(np.float32), labels)
    text = render(msgspec.structs.replace(RUN, predictions=collector.predictions()))
    assert len(text.encode()) <= 1_500_000


def test_a_long_run_does_not_make_a_long_page() -> None:
    many = tuple(trained(step) for step in range(20, 400_001, 20))
    text = render(msgspec.structs.replace(RUN, trained=many))
    assert len(text) < len(TEXT) + 20_000
    assert "at step 400,000" in text


@pytest.mark.parametrize("lines", [0, 1])
def test_a_run_under_way_has_a_page_of_what_there_is(lines: int) -> None:
    run = msgspec.structs.replace(
        RUN,
        result=None,
        predictions=None,
        trained=RUN.trained[:lines],
        evaluated=RUN.evaluated[:lines],
    )
    words = Page(render(run)).words
    assert "Not finished" in words
    assert "Nothing is exported yet" in words
    assert ("Nothing is logged yet" in words) == (lines == 0)


def test_a_model_without_mistakes_has_a_page(tmp_path: Path) -> None:
    collector = Collector()
    labels = np.arange(IMAGES, dtype=np.int32) % CLASSES
    collector.add(np.eye(CLASSES, dtype=np.float32)[labels], labels)
    run = msgspec.structs.replace(RUN, predictions=collector.predictions())
    assert "No validation image was taken for another class" in Page(render(run)).words


def prepared(folder: Path) -> PreparedData:
    labels = np.arange(IMAGES, dtype=np.int32) % CLASSES
    return PreparedData(
        folder=folder,
        digest="d" * 64,
        classes=RUN.classes,
        train=Split(images=RUN.val_images, labels=labels),
        val=Split(images=RUN.val_images, labels=labels),
    )


def test_a_page_without_pictures_has_no_image_and_all_of_the_words() -> None:
    page = render(msgspec.structs.replace(RUN, pictures=False))
    assert "<img" in render(RUN)
    assert "<img" not in page
    assert set(Page(page).words.split()) == set(Page(render(RUN)).words.split())


def finished(path: Path) -> RunFolder:
    """A folder that holds what a page and a card are made of."""
    folder = RunFolder(path)
    folder.write_settings(RUN.settings)
    assert RUN.result is not None
    assert RUN.predictions is not None
    folder.write_result(RUN.result)
    write_predictions(folder.predictions, RUN.predictions)
    return folder


def test_a_model_card_says_how_good_every_class_is_and_what_it_is_taken_for(
    tmp_path: Path,
) -> None:
    folder = finished(tmp_path / "run")
    text = write_card(folder, prepared(tmp_path)).read_text()
    assert RUN.result is not None
    for file, scores in RUN.result.variants.items():
        assert f"| `{file}` | {scores.top1:.2%} |" in text
    assert "| class 3 | class 9 | 4 | 0 |" in text
    assert "| class 3 | `n00000003` | 5 | 20% | class 9 |" in text
    assert text.count("| `n0") == CLASSES
    widths = {line.count("|") for line in text.split("## Every class")[1].splitlines() if line}
    assert widths == {0, 6}, "a table with rows of different lengths"


def test_there_is_no_card_of_a_run_that_is_not_finished(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.write_settings(RUN.settings)
    with pytest.raises(RunFolderError, match="isn't finished"):
        write_card(folder, prepared(tmp_path))


def test_a_run_folder_is_gathered_as_it_was_written(tmp_path: Path) -> None:
    folder, data = finished(tmp_path / "run"), prepared(tmp_path)
    log = MetricsLog(folder.metrics, clock=lambda: 0.0)
    lines: list[Line] = [*RUN.trained, *RUN.evaluated]
    for line in lines:
        log.write(line)
    folder.checkpoints.joinpath("step-00001000").mkdir(parents=True)
    folder.checkpoints.joinpath("step-00001000", "state.npz").write_bytes(b"x" * 1000)
    folder.export.joinpath("variables").mkdir(parents=True)
    folder.export.joinpath("variables", "data").write_bytes(b"x" * 20)
    folder.export.joinpath(SAVED_MODEL).write_bytes(b"x" * 3)
    found = gather(folder, data)
    assert (found.name, found.step, found.images_seen) == ("run", 1000, 64_000)
    assert found.images_per_s == pytest.approx(80.0)
    assert found.trained == RUN.trained
    assert found.sizes == Sizes(1000, 1, {SAVED_MODEL: 23})
    assert write_report(folder, data) == folder.report
    assert "class 199" in folder.report.read_text()
    assert not list(folder.path.glob("*.partial"))


def test_the_speed_weighs_lines_by_the_steps_they_stand_for() -> None:
    slow = msgspec.structs.replace(trained(20), images_per_s=10.0)
    short = msgspec.structs.replace(trained(40), images_per_s=40.0)
    run = msgspec.structs.replace(RUN, trained=(slow, short), evaluated=(evaluated(30),))
    assert run.images_per_s == pytest.approx((20 + 10) / (20 / 10 + 10 / 40))


def test_other_data_than_the_runs_is_refused(tmp_path: Path, bars: RecordedBars) -> None:
    folder, data = RunFolder(tmp_path / "run"), prepared(tmp_path)
    with pytest.raises(RunFolderError, match="not a run folder"):
        gather(folder, data)
    folder.write_settings(RUN.settings)
    other = msgspec.structs.replace(data, digest="e" * 64)
    with pytest.raises(RunFolderError, match="digest dddddddddddd, not of"):
        gather(folder, other)
    assert RUN.result is not None
    folder.write_result(RUN.result)
    with pytest.raises(RunFolderError, match="digest dddddddddddd, not of"):
        predict_if_missing(folder, other, bars)
    assert bars.bars == []

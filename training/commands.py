"""What each command does. TensorFlow is imported only by those that compute."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from training.data.download import TINY_IMAGENET_ZIP, download
from training.data.generate import GeneratedSize, generate
from training.data.prepare import prepare
from training.data.prepared import PreparedData
from training.data.resolve import SOURCES, find, remember
from training.data.resolve import resolve as resolve_data
from training.errors import RunFolderError, UsageError
from training.evaluation.evaluate import Scores
from training.measuring_commands import dry_run, measure_speeds
from training.preset import load_preset
from training.progress import make_bars
from training.run.choice import RUNS, choose
from training.run.folder import Publication, Result, RunFolder, RunSettings
from training.settings import (
    Job,
    Recipe,
    job_from,
    names_of,
    quantization_from,
    recipe_from,
)
from training.signature import ONNX, SAVED_MODEL
from training.variants.settings import Quantization


def _data(options: argparse.Namespace) -> None:
    bars = make_bars()
    path = Path(options.source) if options.source else download(TINY_IMAGENET_ZIP, SOURCES, bars)
    cache = Path(options.cache)
    prepared = prepare(path, cache, bars, refresh=options.refresh)
    remember(prepared, cache)
    _say_data(prepared)


def _generate(options: argparse.Namespace) -> None:
    size = GeneratedSize(
        train_per_class=options.train_per_class,
        val_per_class=options.val_per_class,
        seed=options.seed,
    )
    folder = generate(Path(options.out), size, make_bars())
    _say(f"{folder}: drawn; train on it with: python -m training train --data {folder}")


def _train(options: argparse.Namespace) -> None:
    values = _train_values(options)
    job = job_from({name: values[name] for name in names_of(Job) & values.keys()})
    recipe = recipe_from({name: values[name] for name in names_of(Recipe) & values.keys()})
    if options.json and not options.dry_run:
        raise UsageError("--json is for --dry-run; a run says what it does as it goes")
    if options.dry_run:
        _say(dry_run(job, recipe, as_json=options.json))
        return
    name = Path(options.preset).stem if options.preset else job.model
    from training.modes.choose import check_mode, run_in_mode

    check_mode(job, recipe)
    run = Path(job.run) if job.run else choose(name, job, recipe)

    outcome = run_in_mode(job, recipe, run, debug=options.debug)
    if outcome is None:
        return
    _say_result(outcome.result)
    if outcome.publication:
        _say_published(outcome.publication)
    else:
        _say(f"publish it with: python -m training publish {outcome.run} --store URL")


def _benchmark(options: argparse.Namespace) -> None:
    values = _train_values(options)
    names = names_of(Job) & values.keys() & {"data", "cache"}
    job = job_from({name: values[name] for name in names})
    recipe = recipe_from({name: values[name] for name in names_of(Recipe) & values.keys()})
    _say(measure_speeds(job, recipe, options))


def _search(options: argparse.Namespace) -> None:
    from training.search.command import REPORT, search
    from training.search.plan import read_plan

    file = Path(options.plan)
    out = Path(options.out) if options.out else RUNS / file.stem
    for line in search(read_plan(file), out, file.stem, make_bars()):
        _say(line)
    _say(f"report: {out / REPORT}")


def _worker(options: argparse.Namespace) -> None:
    from training.modes.cluster_role import run_role

    run_role("worker", until_eof=options.until_eof)


def _server(options: argparse.Namespace) -> None:
    from training.modes.cluster_role import run_role

    run_role("ps", until_eof=options.until_eof)


def _train_values(options: argparse.Namespace) -> dict[str, Any]:
    """Return the preset's values under those of the command line."""
    values = load_preset(options.preset) if options.preset else {}
    names = names_of(Job) | names_of(Recipe)
    return values | {name: value for name, value in vars(options).items() if name in names}


def _export(options: argparse.Namespace) -> None:
    bars = make_bars()
    folder = RunFolder(Path(options.run))
    _settings_of(folder)  # what is no run is refused before data is prepared
    wanted = job_from({"variants": options.variants}).wanted_variants
    data = resolve_data(options.data, Path(options.cache), bars)
    from training.finish import finish
    from training.job import held
    from training.report.data import settings_for
    from training.restore import restore

    with held(folder):
        settings = settings_for(folder, data)
        trainee, step = restore(folder, settings.recipe, data.class_count, options.checkpoint)
        _say_result(
            finish(
                folder,
                trainee.result,
                settings.recipe,
                data,
                bars,
                step=step,
                variants=wanted,
            )
        )


def _quantize(options: argparse.Namespace) -> None:
    bars = make_bars()
    values = {
        name: value for name, value in vars(options).items() if name in names_of(Quantization)
    }
    quantization = quantization_from(values)
    data = resolve_data(options.data, Path(options.cache), bars)
    if options.store is not None:
        from training.variants.of_version import add_to_version
        from training.weights.versions import find_version

        ref = find_version(options.store, options.model, options.what)
        publication, scores = add_to_version(
            ref, options.to, quantization, data, bars, gate=_allowed_loss(options)
        )
        _say_all_scores(scores)
        _say_published(publication)
        return
    folder = RunFolder(Path(options.what))
    from training.finish import report_again
    from training.job import held
    from training.variants.of_run import add_to_run

    with held(folder):
        _say_all_scores(add_to_run(folder, options.to, quantization, data, bars).variants)
        report_again(folder, data, bars)


def _publish(options: argparse.Namespace) -> None:
    folder = RunFolder(Path(options.run))
    _settings_of(folder)  # what is no run gets no lock
    allowed_loss = _allowed_loss(options)
    from training.classes import read_classes
    from training.job import held
    from training.publish import publish

    with held(folder):
        settings, result = _settings_of(folder), folder.result()
        if result is None:
            raise RunFolderError(
                f"{folder.path}: this run isn't finished; start its training again"
            )
        publication = publish(
            folder,
            settings,
            result,
            url=options.store,
            model=options.model,
            class_count=len(read_classes(folder.export)),
            bars=make_bars(),
            gate=allowed_loss,
        )
    _say_published(publication)


def _evaluate(options: argparse.Namespace) -> None:
    bars = make_bars()
    data = resolve_data(options.data, Path(options.cache), bars)
    from training.evaluation.candidates import Wanted, find_candidates
    from training.evaluation.command import as_json, evaluate_all

    wanted = Wanted(
        what=options.what,
        checkpoint=options.checkpoint,
        variant=options.variant,
        store=options.store,
        model=options.model,
    )
    with find_candidates(wanted, data, bars) as candidates:
        evaluations = evaluate_all(candidates, data, bars)
    if options.json:
        _say(as_json(evaluations, data))
        return
    for each in evaluations:
        _say(str(each))


def _report(options: argparse.Namespace) -> None:
    bars = make_bars()
    folder = RunFolder(Path(options.run))
    settings = _settings_of(folder)
    cache = Path(options.cache)
    if options.data is None:
        data = find(settings.data_digest, cache)
    else:
        data = resolve_data(options.data, cache, bars)
    from training.report.write import predict_if_missing, write_card, write_report

    predict_if_missing(folder, data, bars)
    _say(f"report: {write_report(folder, data, pictures=options.pictures)}")
    if options.card:
        _say(f"model card: {write_card(folder, data)}")


def _convert(options: argparse.Namespace) -> None:
    bars = make_bars()
    data = None
    if options.data_set is not None:
        data = resolve_data(options.data_set, Path(options.cache), bars)
    from training.conversion.convert import DATA, VERSION, convert

    out = Path(options.out)
    comparison = convert(
        Path(options.folder),
        out,
        Path(options.classes),
        bars,
        signature_name=options.signature,
        output=options.output,
        data=data,
    )
    if data is not None:
        _say_scores(SAVED_MODEL, comparison.reference)
        _say_scores(ONNX, comparison.candidate)
    _say_comparison(comparison.max_difference, comparison.agreement)
    _say(f"publish it with: python -m model_store publish {out / VERSION} --data {out / DATA}")


def _allowed_loss(options: argparse.Namespace) -> float | None:
    """Return the margin of what `training.options.add_gate` adds; None for no gate."""
    names = {"gate", "allow_worse"} & vars(options).keys()
    return job_from({name: getattr(options, name) for name in names}).allowed_loss


def _settings_of(folder: RunFolder) -> RunSettings:
    settings = folder.settings()
    if settings is None:
        raise RunFolderError(f"{folder.path}: not a run folder (settings.json is missing)")
    return settings


def _say_data(data: PreparedData) -> None:
    _say(f"{data.folder}: {len(data.train):,} training and {len(data.val):,} validation images")
    _say(f"of {data.class_count} classes, digest {data.digest[:12]}")


def _say_result(result: Result) -> None:
    _say_all_scores(result.variants)
    _say_comparison(result.max_difference, result.agreement)


def _say_comparison(max_difference: float, agreement: float) -> None:
    _say(
        f"{SAVED_MODEL} and {ONNX} differ by at most {max_difference:.1e} and agree on "
        f"{agreement:.2%} of the images"
    )


def _say_all_scores(variants: Mapping[str, Scores]) -> None:
    for name, scores in variants.items():
        _say_scores(name, scores)


def _say_scores(name: str, scores: Scores) -> None:
    _say(
        f"{name}: top-1 {scores.top1:.2%}, top-5 {scores.top5:.2%}, loss {scores.loss:.4f} "
        f"on {scores.images:,} validation images"
    )


def _say_published(publication: Publication) -> None:
    _say(
        f"published {publication.model} version {publication.version} to {publication.store}; "
        "a service that watches this store serves it from its next look on"
    )


def _say(line: str) -> None:
    print(line, flush=True)


COMMANDS: dict[str, Callable[[argparse.Namespace], None]] = {
    "data": _data,
    "generate": _generate,
    "train": _train,
    "benchmark": _benchmark,
    "search": _search,
    "worker": _worker,
    "server": _server,
    "export": _export,
    "quantize": _quantize,
    "publish": _publish,
    "evaluate": _evaluate,
    "report": _report,
    "convert": _convert,
}

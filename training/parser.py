"""The command line's words; imports nothing that takes long, so that `--help` answers at once."""

from __future__ import annotations

import argparse
from typing import Any

from training.data.generate import TRAIN_PER_CLASS, VAL_PER_CLASS
from training.options import (
    add_cache,
    add_checkpoint,
    add_data_option,
    add_gate,
    add_run,
    add_settings,
    description,
)
from training.preset import preset_names
from training.settings import Job, Recipe
from training.signature import NAME
from training.variants.settings import VARIANTS, Quantization

EXIT_CODES = """\
exit codes:
  0  done
  1  an error in Hotshelf itself; --debug shows where
  2  a setting that isn't allowed
  3  data that is missing, damaged or contradicts itself; a download that failed
  4  a run folder or checkpoint that can't be used for this
  5  the loss is no longer a number
  6  an export or a conversion that failed, or whose variants disagree
  7  a store that can't be read or written, or refuses; a finished run keeps its export
  8  a process of a distributed run died; the same --run goes on from the last checkpoint
130  stopped by SIGINT (Ctrl-C)    \\ while training: a checkpoint was written,
143  stopped by SIGTERM            /  the same --run goes on from it
"""


def make_parser() -> argparse.ArgumentParser:
    """Return the parser; the chosen command is in `command`."""
    parser = argparse.ArgumentParser(
        prog="python -m training",
        description="Train ResNet-50 on 64×64 images, export it and put it on the shelf.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_data(commands)
    _add_generate(commands)
    _add_train(commands)
    _add_search(commands)
    _add_role(commands, "worker", "compute steps for a coordinator (--mode ps)")
    _add_role(commands, "server", "hold variables for a coordinator and its workers (--mode ps)")
    _add_benchmark(commands)
    _add_export(commands)
    _add_quantize(commands)
    _add_publish(commands)
    _add_evaluate(commands)
    _add_report(commands)
    _add_convert(commands)
    return parser


def _command(commands: Any, name: str, summary: str, details: str = "") -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}. {details}".strip(),
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--debug", action="store_true", help="show a traceback for any error")
    return parser


def _add_data(commands: Any) -> None:
    parser = _command(commands, "data", "get Tiny ImageNet and prepare it for training")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--download",
        action="store_true",
        help="download the public archive (237 MB) to data/; goes on where it broke off",
    )
    source.add_argument(
        "--from",
        dest="source",
        metavar="PATH",
        help="take a local folder, .zip or .tar.gz; it stays where it is",
    )
    add_cache(parser)
    parser.add_argument(
        "--refresh", action="store_true", help="decode again even if that was done before"
    )


def _add_generate(commands: Any) -> None:
    parser = _command(commands, "generate", "draw the generated data set of 200 classes")
    parser.add_argument("--out", required=True, metavar="DIR", help="a folder that doesn't exist")
    parser.add_argument("--seed", type=int, default=0, help="default: 0")
    parser.add_argument(
        "--train-per-class",
        type=int,
        default=TRAIN_PER_CLASS,
        metavar="N",
        help=f"training images a class (default: {TRAIN_PER_CLASS})",
    )
    parser.add_argument(
        "--val-per-class",
        type=int,
        default=VAL_PER_CLASS,
        metavar="N",
        help=f"validation images a class (default: {VAL_PER_CLASS})",
    )


def _add_train(commands: Any) -> None:
    parser = _command(
        commands,
        "train",
        "train, export, check and publish",
        "Settings come from the preset, then from the command line.",
    )
    parser.add_argument(
        "--preset",
        metavar="NAME",
        help=f"settings of a run whose result is known: {', '.join(preset_names())}, or a "
        ".toml file",
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="say what the run would be (settings, model size, FLOPs, steps, memory, a guess of "
        "its time) and train, prepare and write nothing",
    )
    parser.add_argument("--json", action="store_true", help="with --dry-run: as one JSON object")
    add_settings(parser.add_argument_group("the job"), Job)
    add_settings(parser.add_argument_group("the recipe"), Recipe)


def _add_benchmark(commands: Any) -> None:
    parser = _command(
        commands,
        "benchmark",
        "measure images a second: input pipeline alone, training on one batch, training on data",
        "One process on one device, with the recipe's settings. Without data, from --data or the "
        "preset, the pipeline works on drawn images. Medians over windows.",
    )
    parser.add_argument(
        "--preset", metavar="NAME", help=f"a recipe: {', '.join(preset_names())}, or a .toml file"
    )
    parser.add_argument(
        "--data", metavar="PATH", default=argparse.SUPPRESS, help=description(Job, "data")
    )
    parser.add_argument(
        "--cache", metavar="DIR", default=argparse.SUPPRESS, help="default: .cache/data"
    )
    parser.add_argument("--windows", type=int, default=7, metavar="N", help="default: 7")
    parser.add_argument(
        "--seconds", type=float, default=3.0, metavar="S", help="length of a window (default: 3)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    add_settings(parser.add_argument_group("the recipe"), Recipe)


def _add_search(commands: Any) -> None:
    parser = _command(
        commands,
        "search",
        "try recipes one after the other and compare them on held-out training images",
        "Each trial is a run of its own in the folder, without export. The same command goes on "
        "with what is missing.",
    )
    parser.add_argument(
        "plan",
        metavar="FILE",
        help="TOML: [all] has the settings that trials share, such as preset, holdout and "
        "max_steps, [try.NAME] those of each",
    )
    parser.add_argument(
        "--out",
        metavar="DIR",
        help="gets the runs, report.html and results.json (default: runs/ and the name of FILE)",
    )


def _add_role(commands: Any, name: str, summary: str) -> None:
    parser = _command(
        commands,
        name,
        summary,
        "Where it listens, and where the others are, is read from the environment variable "
        "TF_CONFIG. It runs until SIGTERM or SIGINT. Anybody who reaches its port can use it: "
        "start it in networks that you trust.",
    )
    parser.add_argument("--until-eof", action="store_true", help=argparse.SUPPRESS)


def _add_export(commands: Any) -> None:
    parser = _command(commands, "export", "export a checkpoint of a run again and check it")
    add_run(parser)
    add_checkpoint(parser)
    add_data_option(parser)
    parser.add_argument(
        "--variants", default=None, metavar="LIST", help=description(Job, "variants")
    )
    add_cache(parser)


def _add_quantize(commands: Any) -> None:
    parser = _command(
        commands,
        "quantize",
        "make the int8 or fp16 variant of a finished run or of a published version",
        "Ranges are found by training images, the accuracy is measured on the validation images. "
        "A run's variant lies in its export, and comes along when that is published; a version is "
        "published once more, with the variant, as the next number.",
    )
    parser.add_argument(
        "what",
        metavar="WHAT",
        help="a run folder; with --store a version: a number, a label or latest",
    )
    parser.add_argument("--to", choices=VARIANTS, default="int8", help="default: int8")
    parser.add_argument("--store", metavar="URL", help="where the version is: file:///… or az://…")
    parser.add_argument("--model", default="resnet50", metavar="NAME", help="default: resnet50")
    add_gate(parser)
    add_data_option(parser)
    add_cache(parser)
    add_settings(parser.add_argument_group("how int8 is made"), Quantization)


def _add_publish(commands: Any) -> None:
    parser = _command(commands, "publish", "publish the export of a finished run")
    add_run(parser)
    parser.add_argument("--store", required=True, metavar="URL", help="file:///… or az://…")
    parser.add_argument("--model", default="resnet50", help="default: resnet50")
    add_gate(parser)


def _add_evaluate(commands: Any) -> None:
    parser = _command(
        commands,
        "evaluate",
        "measure a version, an export, a checkpoint or an ONNX file on a data set",
        "Says top-1, top-5, loss, calibration error and images a second of each variant.",
    )
    parser.add_argument(
        "what",
        metavar="WHAT",
        help="a run folder, a folder with variants and classes.json, an .onnx file in one; with "
        "--store a version: a number, a label or latest",
    )
    parser.add_argument("--store", metavar="URL", help="where the version is: file:///… or az://…")
    parser.add_argument("--model", default="resnet50", metavar="NAME", help="default: resnet50")
    parser.add_argument(
        "--variant",
        metavar="FILE",
        help="measure only this one, such as model.onnx or saved_model.pb (default: all)",
    )
    add_checkpoint(parser, default=None)
    add_data_option(parser)
    add_cache(parser)
    parser.add_argument(
        "--json", action="store_true", help="print JSON, with the accuracy of every class"
    )


def _add_report(commands: Any) -> None:
    parser = _command(
        commands,
        "report",
        "write a run's report.html again, or that of a run under way",
        "One page without any address outside it: curves, classes, mistakes, cost, recipe.",
    )
    add_run(parser)
    parser.add_argument(
        "--no-pictures",
        dest="pictures",
        action="store_false",
        help="leave validation images out, for a page that goes where the data may not",
    )
    parser.add_argument(
        "--card",
        action="store_true",
        help="write MODEL_CARD.md beside it: accuracy, calibration, confusions, every class",
    )
    parser.add_argument(
        "--data", metavar="PATH", help="what the run was trained on (default: found in the cache)"
    )
    add_cache(parser)


def _add_convert(commands: Any) -> None:
    parser = _command(
        commands,
        "convert",
        "make a SavedModel of other origin ready for publishing",
        "Gives it the names that every version has, translates it to ONNX and compares the two. "
        "Loading a SavedModel runs it: convert only what you would run.",
    )
    parser.add_argument("folder", metavar="FOLDER", help="holds saved_model.pb")
    parser.add_argument(
        "out", metavar="OUT", help="a folder that doesn't exist; gets version/ and data.json"
    )
    parser.add_argument(
        "--classes",
        required=True,
        metavar="FILE",
        help='JSON: [{"wnid", "label", "names"}, …] or names, in the order of outputs',
    )
    parser.add_argument(
        "--signature", default=NAME, metavar="NAME", help=f"which to take (default: {NAME})"
    )
    parser.add_argument("--output", metavar="NAME", help="which to take where there are several")
    parser.add_argument(
        "--data-set",
        metavar="PATH",
        help="measure and compare on its validation images (default: compare on drawn images)",
    )
    add_cache(parser)

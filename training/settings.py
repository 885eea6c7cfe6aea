"""What a training run is asked to do; frozen, checked, the same from a preset or a command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

from model_store.gate import POINTS
from training.errors import UsageError
from training.resolution import Resolutions, parse_resolutions
from training.variants.settings import LIST_PATTERN, Quantization, VariantName, variants_of

Precision = Literal["auto", "float32", "mixed_bfloat16"]
ModeName = Literal["single", "ps", "horovod", "horovod-cluster"]
Fraction = Annotated[float, Meta(ge=0.0, lt=1.0)]
Alpha = Annotated[float, Meta(ge=0.0, le=10.0)]

_T = TypeVar("_T")


class Recipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the weights come about: the same recipe, data and mode give the same weights."""

    stem: Annotated[
        Literal["imagenet", "stride2", "full"],
        Meta(
            description="first layers: imagenet (7×7 stride 2 and max-pool, 0.32 GMAC an image), "
            "stride2 (no pool, 1.2 GMAC), full (3×3 stride 1, no pool, 4.9 GMAC)"
        ),
    ] = "imagenet"
    resolution: Annotated[
        str,
        Meta(
            description="sides of the training images in pixels, and from which part of all steps "
            "on: 32@0,48@0.4,64@0.7 begins with small images, which cost less; evaluation and "
            "export always take 64"
        ),
    ] = "64"
    init_from: Annotated[
        str | None,
        Meta(
            description="begin with the weights of a file of Keras' (.h5, .weights.h5, .keras), a "
            "run folder, a SavedModel's folder, or a version: a number, a label or latest"
        ),
    ] = None
    freeze: Annotated[
        Literal["none", "backbone"],
        Meta(description="backbone: train the last layer only, on the features that are there"),
    ] = "none"
    epochs: Annotated[int, Meta(ge=1, description="epochs; each ends with an evaluation")] = 10
    steps_per_epoch: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="steps in an epoch; without it, as many as show every image once"),
    ] = None
    max_steps: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="end after so many steps, even within an epoch"),
    ] = None
    batch_size: Annotated[int, Meta(ge=1, description="images a step and device")] = 64
    learning_rate: Annotated[
        float,
        Meta(gt=0.0, description="peak learning rate at 256 images a step; scaled to the batch"),
    ] = 0.4
    warmup: Annotated[
        Fraction, Meta(description="part of all steps in which the learning rate rises")
    ] = 0.1
    momentum: Annotated[Fraction, Meta(description="Nesterov momentum")] = 0.9
    weight_decay: Annotated[
        float, Meta(ge=0.0, description="weight decay of kernels; norms and biases have none")
    ] = 5e-5
    label_smoothing: Annotated[
        Fraction, Meta(description="probability spread over all classes in the targets")
    ] = 0.1
    ema: Annotated[
        Fraction,
        Meta(
            description="decay of the moving average of the weights, which is then evaluated and "
            "exported; 0 is off"
        ),
    ] = 0.0
    holdout: Annotated[
        Fraction,
        Meta(
            description="part of the training images to leave out of training, of all classes "
            "alike, and to evaluate on at each epoch's end: what recipes are chosen by, so that "
            "the validation images say at the end how good the chosen one is"
        ),
    ] = 0.0
    calibrate: Annotated[
        bool,
        Meta(
            description="divide the export's logits by the temperature that fits the held-out "
            "images best, so that probabilities mean what they say; needs --holdout"
        ),
    ] = False
    crop_padding: Annotated[
        int, Meta(ge=0, le=32, description="pixels an image may be shifted in any direction")
    ] = 4
    flip: Annotated[bool, Meta(description="mirror half of the training images")] = True
    colour: Annotated[
        Fraction,
        Meta(description="brightness, contrast and saturation vary by up to this part; 0 is off"),
    ] = 0.0
    erase: Annotated[
        Fraction, Meta(description="part of the training images with a box painted over")
    ] = 0.0
    mixup: Annotated[
        Alpha,
        Meta(
            description="blend each image with another one of the batch, by a share from "
            "Beta(N, N), often 0.2; 0 is off"
        ),
    ] = 0.0
    cutmix: Annotated[
        Alpha,
        Meta(
            description="paste a box of another image of the batch into each, its area from "
            "Beta(N, N), often 1.0; with --mixup half of the images get one, half the other"
        ),
    ] = 0.0
    sync_norm: Annotated[
        bool,
        Meta(
            description="horovod: normalise with statistics of the global batch, not of each "
            "device's part; costs two more rounds of messages a layer"
        ),
    ] = False
    compress: Annotated[
        Literal["none", "fp16"],
        Meta(description="horovod: send gradients as they are, or as fp16, half as large"),
    ] = "none"
    precision: Annotated[
        Precision,
        Meta(
            description="float32, mixed_bfloat16, or auto: mixed_bfloat16 where the processor "
            "computes in it"
        ),
    ] = "auto"
    xla: Annotated[
        bool,
        Meta(
            description="compile forward and backward pass with XLA; --stem imagenet then needs "
            "--no-deterministic"
        ),
    ] = False
    seed: Annotated[int, Meta(ge=0, description="what all randomness comes from")] = 0
    deterministic: Annotated[
        bool,
        Meta(description="have TensorFlow use only operations that repeat bit for bit"),
    ] = True

    @property
    def resolutions(self) -> Resolutions:
        """Return how large training images are. Raises UsageError for what isn't allowed."""
        return parse_resolutions(self.resolution)


class Job(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where data comes from and where results go; changes nothing in the weights."""

    mode: Annotated[ModeName, Meta(description="how the work is spread over devices")] = "single"
    data: Annotated[
        str | None,
        Meta(
            description="folder in the layout of tiny-imagenet-200, its .zip or .tar.gz; or the "
            "name tiny-imagenet-200 (what `data` prepared) or generated"
        ),
    ] = None
    cache: Annotated[str, Meta(description="where prepared data is kept")] = ".cache/data"
    run: Annotated[
        str | None,
        Meta(
            description="run folder: metrics, checkpoints, export; started again, a run goes on "
            "where it stopped (default: runs/NAME-N)"
        ),
    ] = None
    store: Annotated[
        str | None,
        Meta(
            description="file:///… or az://…: publish there; without it, the run ends with its "
            "export"
        ),
    ] = None
    model: Annotated[str, Meta(description="the model's name in the store")] = "resnet50"
    gate: Annotated[
        float,
        Meta(
            ge=0.0,
            le=100.0,
            description="refuse to publish what is worse than the version labelled production by "
            "more points of top-1, where both were measured on the same data",
        ),
    ] = POINTS
    allow_worse: Annotated[bool, Meta(description="publish however much worse it is")] = False
    variants: Annotated[
        Annotated[str, Meta(pattern=LIST_PATTERN)] | None,
        Meta(
            description="what to make of the model besides float32: int8 for processors, fp16 for "
            "GPUs, or int8,fp16"
        ),
    ] = None
    init_store: Annotated[
        str | None,
        Meta(description="where --init-from finds versions (default: --store)"),
    ] = None
    export: Annotated[
        bool,
        Meta(
            description="end with the export, its check and the report; without, with the last "
            "checkpoint, and the same command with --export goes on from there"
        ),
    ] = True
    keep: Annotated[int, Meta(ge=1, description="newest checkpoints to keep, besides the best")] = 2
    checkpoint_every: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="steps between checkpoints within an epoch; without it, at its end only"),
    ] = 200
    threads: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(
            description="threads that a process computes with; without it, the processes of a "
            "machine share its cores evenly"
        ),
    ] = None
    workers: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(
            description="ps: worker processes to start on this machine; without it, TF_CONFIG "
            "says where they are"
        ),
    ] = None
    servers: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="ps: processes that hold the variables (default: 1)"),
    ] = None
    patience: Annotated[
        float,
        Meta(gt=0.0, description="ps: seconds to wait for a worker or server that doesn't answer"),
    ] = 300.0
    processes: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="horovod: processes on this machine, one for each device"),
    ] = None
    hosts: Annotated[
        str | None,
        Meta(
            description="horovod-cluster: HOST:PROCESSES,HOST:PROCESSES; each with the same data, "
            "code and environment at the same paths; the first one writes the run folder"
        ),
    ] = None
    ssh: Annotated[
        str | None,
        Meta(
            description="horovod-cluster: command that logs in to the other hosts without asking, "
            "such as 'ssh -p 2222 -i KEY' (default: ssh)"
        ),
    ] = None
    controller: Annotated[
        Literal["gloo", "mpi"],
        Meta(
            description="horovod: how ranks meet; mpi needs Open MPI and a Horovod built with it "
            "(`tools/build_horovod.py --mpi`)"
        ),
    ] = "gloo"
    elastic: Annotated[
        bool,
        Meta(description="horovod-cluster: go on when hosts are lost, and with those that join"),
    ] = False
    min: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="elastic: wait for others with fewer processes than this (default: 1)"),
    ] = None
    max: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(
            description="elastic: at most so many processes; a step always has as many images as "
            "they would take, fewer processes share them"
        ),
    ] = None
    discovery: Annotated[
        str | None,
        Meta(description="elastic: program that prints HOST:PROCESSES lines, asked every second"),
    ] = None

    @property
    def cache_folder(self) -> Path:
        """Return where prepared data is kept."""
        return Path(self.cache)

    @property
    def allowed_loss(self) -> float | None:
        """Return the gate's margin in points of top-1; None where there is to be no gate."""
        return None if self.allow_worse else self.gate

    @property
    def wanted_variants(self) -> tuple[VariantName, ...]:
        """Return the variants to make of the model."""
        return variants_of(self.variants)


def recipe_from(values: dict[str, Any]) -> Recipe:
    """Return the recipe of these values, numbers also as text. Raises UsageError.

    As what `parse_resolutions` allows is more than a type can say, it is asked here.
    """
    recipe = _convert(values, Recipe)
    parse_resolutions(recipe.resolution)
    if recipe.calibrate and not recipe.holdout:
        raise UsageError("--calibrate needs images that aren't trained on: give --holdout 0.02")
    return recipe


def job_from(values: dict[str, Any]) -> Job:
    """Return the job of these values, numbers also as text. Raises UsageError."""
    job = _convert(values, Job)
    if not job.export and (job.store is not None or job.variants is not None):
        raise UsageError("--no-export leaves nothing for --store or --variants")
    return job


def quantization_from(values: dict[str, Any]) -> Quantization:
    """Return the quantization of these values, numbers also as text. Raises UsageError."""
    return _convert(values, Quantization)


def _convert(values: dict[str, Any], kind: type[_T]) -> _T:
    try:
        return msgspec.convert(values, kind, strict=False)
    except msgspec.ValidationError as error:
        raise UsageError(_readable(str(error), values)) from None


def _readable(message: str, values: dict[str, Any]) -> str:
    """Turn "Expected `int` >= 1 - at `$.epochs`" into "--epochs 0: expected `int` >= 1"."""
    fact, _, place = message.partition(" - at `$.")
    name = place.rstrip("`")
    if not name:
        return message
    option = "--" + name.replace("_", "-")
    return f"{option} {values.get(name)}: {fact[0].lower()}{fact[1:]}"


def names_of(kind: type[msgspec.Struct]) -> frozenset[str]:
    """Return the names of a settings class's fields."""
    return frozenset(kind.__struct_fields__)


def differences(old: Recipe, new: Recipe) -> list[str]:
    """Return one readable part for every field that differs: `epochs 2 → 3`."""
    return [
        f"{name} {getattr(old, name)} → {getattr(new, name)}"
        for name in Recipe.__struct_fields__
        if getattr(old, name) != getattr(new, name)
    ]

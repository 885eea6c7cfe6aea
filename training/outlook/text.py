"""An outlook as the table that `train --dry-run` prints."""

from __future__ import annotations

from typing import Any

import msgspec

from training.data.holdout import held_out_count
from training.outlook.outlook import Outlook

_NAME_WIDTH = 18


def outlook_text(outlook: Outlook) -> str:
    """Return the lines of the table."""
    sections = {
        "run": _run(outlook),
        "model": _model(outlook),
        "plan": _plan(outlook),
        "memory of a process, estimated": _memory(outlook),
        "speed, a guess": _guess(outlook),
        "recipe": _settings(outlook.recipe),
        "job": _settings(outlook.job),
    }
    lines = []
    for title, rows in sections.items():
        lines += [title, *(f"  {name:{_NAME_WIDTH}} {value}" for name, value in rows), ""]
    return "\n".join(lines).rstrip()


Rows = list[tuple[str, str]]


def _run(outlook: Outlook) -> Rows:
    spread, data = outlook.spread, outlook.data
    images = f"{data.train_images:,} training and {data.val_images:,} validation images"
    return [
        ("mode", f"{outlook.job.mode}: {_many(spread.devices, 'device')}"),
        ("data", f"{images} of {data.classes} classes"),
        ("", f"({data.known_from})"),
        ("machine", str(outlook.machine)),
    ]


def _model(outlook: Outlook) -> Rows:
    model = outlook.model
    step = model.step_flops * outlook.images_a_step
    side = outlook.recipe.resolutions.largest
    forward = f"{model.forward_macs / 1e9:.2f} GMAC = {model.forward_flops / 1e9:.2f} GFLOP"
    return [
        (
            "parameters",
            f"{model.parameters:,}, of which {model.trainable_parameters:,} are trained",
        ),
        (
            "forward pass",
            f"{forward} an image of {side}×{side} pixels",
        ),
        (
            "training step",
            f"{model.step_flops / 1e9:.2f} GFLOP an image, {step / 1e9:,.0f} GFLOP a step",
        ),
    ]


def _plan(outlook: Outlook) -> Rows:
    plan, schedule, recipe = outlook.plan, outlook.schedule, outlook.recipe
    devices = _many(outlook.spread.parts, "device")
    warmup = _many(schedule.warmup_steps, "step")
    return [
        ("images a step", f"{outlook.images_a_step:,}: {recipe.batch_size} on {devices} at once"),
        ("steps", f"{plan.total_steps:,} in {_many(plan.epochs, 'epoch')}"),
        ("steps an epoch", f"{plan.steps_per_epoch:,}"),
        *_stages(outlook),
        ("learning rate", f"peak {schedule.peak:.4g}, {warmup} of warm-up, cosine to 0"),
    ]


def _stages(outlook: Outlook) -> Rows:
    """Return the sizes of images, where they change, and how many aren't trained on."""
    rows = [
        (
            f"{stage.side}×{stage.side} pixels",
            f"{_many(stage.steps, 'step')}, {stage.model.step_flops / 1e9:.2f} GFLOP an image",
        )
        for stage in outlook.stages
    ]
    held_out = held_out_count(outlook.data.train_images, outlook.recipe.holdout)
    return [
        *(rows if len(rows) > 1 else []),
        *([("held out", f"{held_out:,} training images")] if held_out else []),
    ]


def _memory(outlook: Outlook) -> Rows:
    memory = outlook.memory
    rows = [
        (name.replace("_", " "), f"{getattr(memory, name) / 1e6:10,.0f} MB")
        for name in memory.__struct_fields__
    ]
    return [*rows, ("total", f"{memory.total / 1e6:10,.0f} MB")]


def _guess(outlook: Outlook) -> Rows:
    guess = outlook.guess
    return [
        ("images a second", f"about {guess.images_per_s:,.0f}"),
        ("training", f"about {_duration(guess.training_s)}, evaluations and export left out"),
        ("from", guess.from_),
    ]


def _settings(settings: msgspec.Struct) -> Rows:
    return [
        (name.replace("_", "-"), _shown(getattr(settings, name)))
        for name in settings.__struct_fields__
    ]


def _shown(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02} hours" if hours else f"{minutes}:{rest:02} minutes"

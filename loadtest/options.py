"""Our options beside Locust's own, checked where they are given."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from typing import Any

from loadtest.levels import LEVELS
from loadtest.mix import parse_mix
from loadtest.objectives import DEFAULTS, parse_objectives
from loadtest.samples import DEFAULT_FOLDER

SHAPES = (*LEVELS, "knee")


def add_options(parser: Any, scenarios: list[str]) -> None:
    """Add our options to Locust's parser; values stay texts and numbers, which travel."""
    # All users at once: ramps are for --shape.
    parser.set_defaults(spawn_rate=100.0)
    add = parser.add_argument
    add(
        "--slo",
        type=_checked(parse_objectives),
        default=DEFAULTS,
        help="objectives, such as 'p99<80ms,errors<0.1%%,wrong=0'; what isn't named keeps"
        f" '{DEFAULTS.replace('%', '%%')}'",
    )
    add(
        "--mix",
        type=_checked(lambda text: parse_mix(text, scenarios)),
        default="",
        help=f"weights of scenarios, 'single=6,batches=1', or a file: {', '.join(scenarios)}",
    )
    add("--shape", choices=SHAPES, default="steady", help="how load goes over the run")
    add(
        "--rate",
        type=_number(0),
        default=0.0,
        help="open loop: requests a second at the peak; --users are then those who can be at it at"
        " once (0: closed loop)",
    )
    add("--step", type=_number(1), default=15.0, help="seconds at each rate of --shape knee")
    add(
        "--pause",
        type=_number(0),
        default=0.0,
        help="closed loop: seconds between a user's requests",
    )
    add(
        "--batch",
        type=_number(1),
        default=16,
        help="most images in a request of batches and tensors",
    )
    add("--images", default=str(DEFAULT_FOLDER), help="folder with the images to send")
    add("--known", default="", help='file of known classes: {"cat.jpg": "tabby", …}')
    add("--model", default="resnet50", help="name of the served model")
    add(
        "--label", default="production", help="label that is asked for, and that the operator moves"
    )
    add(
        "--settle",
        type=_number(0),
        default=0.0,
        help="seconds after a swap in which the old version may answer (several services)",
    )
    add("--store", default="", help="shelf that the publisher publishes to (in --mix: publisher=1)")
    add("--publish-every", type=_number(1), default=30.0, help="seconds between its versions")
    _add_tokens(add)
    _add_output(add)


def _add_tokens(add: Callable[..., Any]) -> None:
    add(
        "--token",
        default=os.environ.get("LOADTEST_TOKEN", ""),
        is_secret=True,
        help="token for predictions, where the service wants one ($LOADTEST_TOKEN)",
    )
    add(
        "--admin-token",
        default=os.environ.get("LOADTEST_ADMIN_TOKEN", ""),
        is_secret=True,
        help="token for the operator's moves ($LOADTEST_ADMIN_TOKEN; in --mix: operator=1)",
    )


def _add_output(add: Callable[..., Any]) -> None:
    add(
        "--report",
        default="",
        include_in_web_ui=False,
        help="write a page with charts here (.html)",
    )
    add("--result", default="", include_in_web_ui=False, help="write the result here (.json)")
    add(
        "--watch-memory",
        choices=("yes", "no"),
        default="yes",
        help="watch the service's memory: its processes if they run here, else its /metrics",
    )


def _checked(parse: Callable[[str], object]) -> Callable[[str], str]:
    def check(text: str) -> str:
        try:
            if text:
                parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error
        return text

    return check


def _number(least: float) -> Callable[[str], float]:
    def number(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not least <= value < 1e9:
            raise argparse.ArgumentTypeError(f"{text!r}: a number from {least:g} on")
        return value

    return number

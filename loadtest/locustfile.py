"""Hotshelf's load test: what Locust runs.

    locust -f loadtest/locustfile.py --host http://127.0.0.1:8000

`docs/load-testing.md` says what there is; `python -m loadtest` runs it with a view and a report.
"""

from __future__ import annotations

from typing import Any

from locust import events

from loadtest.load_shape import Shape
from loadtest.options import add_options
from loadtest.scenarios.batches import Batches
from loadtest.scenarios.console import ConsoleVisitor
from loadtest.scenarios.misbehaving import Misbehaving
from loadtest.scenarios.operator import Operator
from loadtest.scenarios.pinned import Labels, PinnedVersions
from loadtest.scenarios.protocols import OpenInference, TensorFlowServing
from loadtest.scenarios.publisher import Publisher
from loadtest.scenarios.single import SingleImages
from loadtest.scenarios.tensors import Tensors
from loadtest.wiring import connect

SCENARIOS = (
    SingleImages,
    Batches,
    Tensors,
    PinnedVersions,
    Labels,
    TensorFlowServing,
    OpenInference,
    ConsoleVisitor,
    Misbehaving,
    Operator,
    Publisher,
)
# Locust looks at this file's names for users and a shape.
__all__ = [each.__name__ for each in (*SCENARIOS, Shape)]


@events.init_command_line_parser.add_listener
def _options(parser: Any) -> None:
    add_options(parser, [each.scenario for each in SCENARIOS])


@events.init.add_listener
def _begin(environment: Any, **_: Any) -> None:
    if environment.parsed_options is not None:
        connect(environment, SCENARIOS)

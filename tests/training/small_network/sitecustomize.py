"""Has `python -m training` build a network of a few layers, in a process and all that it starts.

Python imports this by itself where the folder is on PYTHONPATH (see `tests.training.running`). For
tests of whole commands in which processes come and go: those are as real as ever, and a ResNet-50
would only make everybody wait.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

CHANGED = "training.assemble"
DEPTHS, WIDTH = (1, 1, 1, 1), 8


class _Shrinker(MetaPathFinder):
    """Imports the module that decides on the architecture, and changes what it decides."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != CHANGED:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_and_change(module: ModuleType) -> None:
                execute(module)
                _shrink(module)

            spec.loader.exec_module = execute_and_change  # type: ignore[method-assign]
        return spec


def _shrink(module: ModuleType) -> None:
    import msgspec

    architecture_of = module.architecture_of
    module.architecture_of = lambda recipe, data: msgspec.structs.replace(  # type: ignore[attr-defined]
        architecture_of(recipe, data), depths=DEPTHS, width=WIDTH
    )


sys.meta_path.insert(0, _Shrinker())

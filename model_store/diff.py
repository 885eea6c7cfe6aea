"""Two versions side by side."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from model_store.manifest import Manifest


class Difference(msgspec.Struct, frozen=True):
    """One thing that two versions have different values for; None where one has none."""

    what: str
    left: Any
    right: Any

    @property
    def change(self) -> str | None:
        """How much more the right one has, where both are numbers."""
        if _number(self.left) and _number(self.right):
            return f"{self.right - self.left:+.6g}"
        return None


def compare(left: Manifest, right: Manifest) -> tuple[Difference, ...]:
    """Return what differs, and the metrics and sizes even where they don't."""
    left_facts, right_facts = _facts(left), _facts(right)
    names = list(left_facts) + [name for name in right_facts if name not in left_facts]
    rows = [Difference(name, left_facts.get(name), right_facts.get(name)) for name in names]
    always = ("published", "metrics ", "size ")
    return tuple(row for row in rows if row.left != row.right or row.what.startswith(always))


def _facts(manifest: Manifest) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "published": manifest.published_at,
        "published by": manifest.published_by,
    }
    for variant, metrics in sorted(manifest.metrics.items()):
        facts |= {f"metrics {variant} {name}": value for name, value in sorted(metrics.items())}
    facts["size all"] = manifest.size_bytes
    facts |= {f"size {entry.name}": entry.size for entry in manifest.files}
    facts |= {f"sha256 {entry.name}": entry.sha256[:12] for entry in manifest.files}
    lineage = msgspec.to_builtins(manifest.lineage)
    hyperparameters = lineage.pop("hyperparameters")
    facts |= {f"lineage {name}": value for name, value in lineage.items()}
    facts |= {
        f"hyperparameter {name}": value
        if isinstance(value, str | int | float | None)
        else json.dumps(value, sort_keys=True)
        for name, value in sorted(hyperparameters.items())
    }
    facts["signature"] = msgspec.json.encode(manifest.signature).decode()
    return facts


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)

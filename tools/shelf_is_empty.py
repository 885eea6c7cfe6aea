"""Exit with 0 if the shelf is a local folder without any version of the model, else with 1.

`make run` asks before it publishes the release that comes with Hotshelf. Nobody's Azure store is
ever written to unasked, and a shelf that can't be read is left to the service, which says what is
wrong with it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from model_store import StoreError, open_store


def main() -> int:
    """Look at the shelf that HOTSHELF_STORE names."""
    url = os.environ["HOTSHELF_STORE"]
    if not url.startswith("file:"):
        return 1
    try:
        return 0 if open_store(url).catalog(os.environ["HOTSHELF_MODEL"]).latest is None else 1
    except StoreError:
        return 1


if __name__ == "__main__":
    sys.exit(main())

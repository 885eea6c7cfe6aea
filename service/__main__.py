"""`python -m service`: run the service with the settings in the environment."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from pathlib import Path

from service.lifecycle import CANNOT_START
from service.settings import Settings, SettingsError
from service.supervisor import CannotStart, local_url, run_service

EXAMPLE = "espresso.jpg"

EPILOG = """\
Settings are environment variables; --print-config lists them with their values and meanings.
Exit status: 0 after an orderly stop (SIGTERM, Ctrl-C), 1 if the service failed, 2 if it couldn't
start as it was told to.
"""


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line, run the service, return its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m service",
        description="Serve the newest versions of a model from a store over REST.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--print-config", action="store_true", help="show every setting, secrets masked, and exit"
    )
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    options = parser.parse_args(arguments)
    try:
        settings = Settings.from_environment(os.environ)
        if options.print_config:
            print(settings.describe())
            return 0
        return run_service(settings, ready=_greet)
    except (SettingsError, CannotStart) as error:
        if options.debug:
            traceback.print_exc()
        print(f"hotshelf: {error}", file=sys.stderr)
        return CANNOT_START


def _greet(settings: Settings) -> None:
    url = local_url(settings)
    print(
        f"\nHotshelf is serving {settings.model!r} on {url}\n"
        f"Try:  curl --data-binary @{_example()} {url}/predict\n"
        f"Stop: Ctrl-C\n",
        flush=True,
    )


def _example() -> Path:
    """Return an image that comes with a checkout, as short as it can be said from here."""
    bundled = Path(__file__).resolve().parent.parent / "examples" / EXAMPLE
    if not bundled.exists():
        return Path("photo.jpg")
    here = Path.cwd()
    return bundled.relative_to(here) if bundled.is_relative_to(here) else bundled


if __name__ == "__main__":
    sys.exit(main())

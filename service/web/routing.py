"""How paths name a version."""

from __future__ import annotations

from flask import Blueprint
from flask.blueprints import BlueprintSetupState
from werkzeug.routing import BaseConverter


class VersionNumber(BaseConverter):
    """A whole number that fits the messages to the engine; other text makes another path."""

    regex = "[1-9][0-9]{0,17}"

    def to_python(self, value: str) -> int:
        """Return the number."""
        return int(value)


def use_version_numbers(blueprint: Blueprint) -> None:
    """Let the blueprint's rules say `<version:number>`; has to come before the rules."""
    blueprint.record(_register)


def _register(setup: BlueprintSetupState) -> None:
    setup.app.url_map.converters["version"] = VersionNumber

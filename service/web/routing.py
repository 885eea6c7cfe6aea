"""How paths name models, versions and labels."""

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


class Name(BaseConverter):
    """The name of a model or a label: no colon, after which TensorFlow Serving has a verb."""

    regex = "[^/:]+"


def use_names(blueprint: Blueprint) -> None:
    """Let the blueprint's rules say `<version:…>` and `<name:…>`; has to come before the rules."""
    blueprint.record(_register)


def _register(setup: BlueprintSetupState) -> None:
    setup.app.url_map.converters |= {"version": VersionNumber, "name": Name}

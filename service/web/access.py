"""Who may ask for what: bearer tokens for predictions and for administration.

Whatever changes the shelf is marked with `admin_only` and needs an admin token. What infers is
marked with `infers` and needs a predict token where there are any (an admin token does too). The
rest is open: health, metrics, metadata and pages.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from flask import Flask, g, request

from service.errors import Forbidden, Unauthorized
from service.settings import PREFIX, Settings
from service.tokens import Tokens

View = TypeVar("View", bound=Callable[..., object])

_ADMIN_VIEWS: set[Callable[..., object]] = set()
_INFERRING_VIEWS: set[Callable[..., object]] = set()


def admin_only(view: View) -> View:
    """Mark a view that only holders of an admin token may reach; inside it, `who()` names them."""
    _ADMIN_VIEWS.add(view)
    return view


def infers(view: View) -> View:
    """Mark a view that answers with what the model makes of the request: a prediction."""
    _INFERRING_VIEWS.add(view)
    return view


def is_inferring(view: Callable[..., object] | None) -> bool:
    """Whether a view was marked with `infers`."""
    return view in _INFERRING_VIEWS


def who() -> str:
    """Return the name of the admin whose token this request has."""
    name: str = g.who
    return name


def guard(app: Flask, settings: Settings) -> None:
    """Have the application check tokens before any view runs."""
    admins, users = settings.admin_tokens, settings.predict_tokens

    @app.before_request
    def check() -> None:
        view = app.view_functions.get(request.endpoint or "")
        if view in _ADMIN_VIEWS:
            if not admins:
                raise Forbidden(
                    "nobody may change anything here: no admin token is set up; give some with"
                    f" {PREFIX}ADMIN_TOKENS=name:token or {PREFIX}ADMIN_TOKENS_FILE=path"
                )
            g.who = _holder((admins,), "an admin token")
        elif users and is_inferring(view):
            _holder((users, admins), "a token for predictions")


def _holder(kinds: tuple[Tokens, ...], needed: str) -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthorized(f"this needs {needed} in the header 'Authorization: Bearer …'")
    # All kinds are asked, so that the time taken doesn't tell which of them knows the token.
    found = [tokens.who(token.strip()) for tokens in kinds]
    for name in found:
        if name is not None:
            return name
    raise Unauthorized(f"the token is unknown; this needs {needed}")

"""Flask without the work that this service has no use for, which is half of what a request costs.

No view is a coroutine, there are no sessions and no host-dependent routes, and most requests go to
a few fixed paths. Views, blueprints, hooks and error handlers are Flask's own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Flask, Request
from flask.sessions import NullSession, SessionInterface
from werkzeug.datastructures import ImmutableMultiDict
from werkzeug.routing import Map, MapAdapter, Rule


class NoSessions(SessionInterface):
    """Every request has the same session, which takes nothing."""

    _session = NullSession()

    def open_session(self, app: Flask, request: Request) -> NullSession:  # noqa: ARG002
        """Return it."""
        return self._session


class Arguments(ImmutableMultiDict[str, str]):
    """A request's query or form, in which looking for what isn't there costs next to nothing."""

    # werkzeug spells the combinations out as overloads.
    def get(self, key: str, default: Any = None, type: Any = None) -> Any:  # type: ignore[override]  # noqa: A002
        """Return the first value of a key, as werkzeug's dictionaries do."""
        return super().get(key, default, type) if key in self else default


class FixedPaths(dict[tuple[str, str], Rule]):
    """Rules without arguments that requests have met, by method and path."""


class RememberingAdapter(MapAdapter):
    """Matches one request's path; what depends on nothing but method and path is remembered."""

    def __init__(self, url_map: Map, environ: dict[str, Any], known: FixedPaths) -> None:
        super().__init__(
            map=url_map,
            server_name=environ.get("HTTP_HOST", environ["SERVER_NAME"]),
            script_name=f"{environ['SCRIPT_NAME'].rstrip('/')}/",
            subdomain="",
            url_scheme=environ["wsgi.url_scheme"],
            path_info=environ["PATH_INFO"].encode("latin-1").decode(errors="replace"),
            default_method=environ["REQUEST_METHOD"],
            query_args=environ["QUERY_STRING"],
        )
        self._known = known

    def match(self, *arguments: Any, **options: Any) -> Any:
        """Return the rule and the arguments, as Flask asks for them."""
        key = self.default_method, self.path_info
        rule = self._known.get(key)
        if rule is not None and options == {"return_rule": True} and not arguments:
            return rule, {}
        matched = super().match(*arguments, **options)
        if options == {"return_rule": True} and not matched[1]:
            self._known[key] = matched[0]
        return matched


class LeanFlask(Flask):
    """A Flask application on a short way from request to view."""

    session_interface = NoSessions()

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._fixed_paths = FixedPaths()

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function as it is: none is a coroutine."""
        return func

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """Return what finds the view of a request."""
        if request is None:
            return None
        return RememberingAdapter(self.url_map, request.environ, self._fixed_paths)

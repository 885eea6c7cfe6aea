"""Flask without the work that this service has no use for, which is half of what a request costs.

No view is a coroutine, there are no sessions, no signals and no host-dependent routes, most
requests go to a few fixed paths, and most answers are bytes that are there already. Views,
blueprints, hooks and error handlers are Flask's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from flask import Flask, Request, Response, request
from flask.sessions import NullSession, SessionInterface
from werkzeug.datastructures import ImmutableMultiDict
from werkzeug.routing import Map, MapAdapter, Rule

OK = 200


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


class LeanResponse(Response):
    """An answer; one that is whole already goes to the client without another look at it."""

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Answer as a WSGI application."""
        body = self.response
        if (
            self.status_code != OK
            or type(body) is not list
            or environ["REQUEST_METHOD"] == "HEAD"
            or "Content-Length" not in self.headers
        ):
            return super().__call__(environ, start_response)
        start_response(self.status, self.headers.to_wsgi_list())
        whole: list[bytes] = body
        return whole


class Hooks(NamedTuple):
    """What runs around the view of an endpoint, in that order."""

    before: tuple[Callable[[], Any], ...]
    after: tuple[Callable[[Any], Any], ...]


class LeanFlask(Flask):
    """A Flask application on a short way from request to view.

    Hooks are to be registered before the first request. There are none for values in URLs.
    """

    session_interface = NoSessions()
    response_class = LeanResponse

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._fixed_paths = FixedPaths()
        self._hooks: dict[str | None, Hooks] = {}

    def full_dispatch_request(self) -> Response:
        """Return the answer to the current request: hooks, view, errors' handlers."""
        asked: Request = request._get_current_object()  # type: ignore[attr-defined]
        hooks = self._hooks.get(asked.endpoint) or self._look_up_hooks(asked)
        try:
            for hook in hooks.before:
                answer = hook()
                if answer is not None:
                    break
            else:
                answer = self.dispatch_request()
        # The handlers of errors sort them, and hand on what they don't know.
        except Exception as error:  # noqa: BLE001
            answer = self.handle_user_exception(error)
        response = self.make_response(answer)
        for each in hooks.after:
            response = each(response)
        return response

    def _look_up_hooks(self, asked: Request) -> Hooks:
        before = (None, *reversed(asked.blueprints))
        after = (*asked.blueprints, None)
        hooks = Hooks(
            tuple(hook for name in before for hook in self.before_request_funcs.get(name, ())),
            tuple(
                hook for name in after for hook in reversed(self.after_request_funcs.get(name, ()))
            ),
        )
        self._hooks[asked.endpoint] = hooks
        return hooks

    def do_teardown_request(self, *arguments: Any) -> None:
        """Call what is to be called at the end of a request, where there is any such thing."""
        if self.teardown_request_funcs:
            super().do_teardown_request(*arguments)

    def do_teardown_appcontext(self, *arguments: Any) -> None:
        """Call what is to be called after that, where there is any such thing."""
        if self.teardown_appcontext_funcs:
            super().do_teardown_appcontext(*arguments)

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function as it is: none is a coroutine."""
        return func

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """Return what finds the view of a request."""
        if request is None:
            return None
        return RememberingAdapter(self.url_map, request.environ, self._fixed_paths)

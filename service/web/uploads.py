"""Uploaded files stay in memory, where the whole body is already."""

from __future__ import annotations

import io
from typing import IO, cast

from flask import Request
from werkzeug.utils import cached_property

from service.web.lean import Arguments

_NO_ARGUMENTS = Arguments()


class InMemoryRequest(Request):
    """A request whose files never go through a temporary file."""

    parameter_storage_class = Arguments

    @cached_property
    def args(self) -> Arguments:
        """The query's parameters, of which most requests have none."""
        return cast("Arguments", super().args) if self.query_string else _NO_ARGUMENTS

    @cached_property
    def stream(self) -> IO[bytes]:
        """The body. Our worker hands it over whole and within its limit: nothing to count."""
        if self.environ.get("wsgi.input_terminated"):
            body: IO[bytes] = self.environ["wsgi.input"]
            return body
        return super().stream

    def _get_file_stream(
        self,
        total_content_length: int | None,  # noqa: ARG002 - werkzeug's signature
        content_type: str | None,  # noqa: ARG002
        filename: str | None = None,  # noqa: ARG002
        content_length: int | None = None,  # noqa: ARG002
    ) -> IO[bytes]:
        return io.BytesIO()

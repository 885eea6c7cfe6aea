"""TensorFlow Serving's REST API, version 1."""

from service.web.v1.blueprint import v1_dialect

__all__ = ["v1_dialect"]

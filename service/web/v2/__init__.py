"""The Open Inference Protocol, version 2, with Triton's extensions."""

from service.web.v2.blueprint import v2_dialect

__all__ = ["v2_dialect"]

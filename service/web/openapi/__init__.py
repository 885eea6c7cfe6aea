"""The service's own description: OpenAPI 3.1 at `/openapi.json`, a page of it at `/docs`."""

from service.web.openapi.blueprint import description
from service.web.openapi.document import openapi_document

__all__ = ["description", "openapi_document"]

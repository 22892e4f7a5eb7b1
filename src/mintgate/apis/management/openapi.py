"""The OpenAPI 3.1 document, made from the route table and the types in it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from mintgate import __version__
from mintgate.contract.automation.route import Route

_PARAMETER = re.compile(r"\{(\w+)\}")
_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "code", "type", "info"],
            "properties": {
                "message": {"type": "string"},
                "code": {"type": "integer", "description": "The HTTP status."},
                "type": {"type": "string"},
                "info": {"type": "string"},
                "parameters": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {"name": {"type": "string"}, "problem": {"type": "string"}},
                    },
                },
            },
        }
    },
}
_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "A repeated request with the same key gets the first answer, for 24 hours.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}
_IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "required": True,
    "description": "The ETag that was read, or *.",
    "schema": {"type": "string"},
}


def document(routes: Sequence[Route], url: str, token_url: str) -> dict[str, Any]:
    """The document of a table.

    Args:
        url: of the table's root.
        token_url: of the token endpoint.
    """
    types = [t for r in routes for t in (r.body, r.result, r.query) if t is not None]
    schemas, components = msgspec.json.schema_components(
        types, ref_template="#/components/schemas/{name}"
    )
    by_type = {id(kind): schema for kind, schema in zip(types, schemas, strict=True)}
    paths: dict[str, Any] = {}
    for route in routes:
        operations = paths.setdefault(route.path, {})
        operations[route.method.lower()] = _operation(route, by_type, components)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "mintgate automation API",
            "version": __version__,
            "description": "For administrators, with an access token that has the scope sec.",
        },
        "servers": [{"url": url}],
        "security": [{"oauth": ["sec"]}],
        "paths": paths,
        "components": {
            "schemas": {**components, "Error": _ERROR},
            "securitySchemes": {
                "oauth": {
                    "type": "oauth2",
                    "flows": {
                        "clientCredentials": {
                            "tokenUrl": token_url,
                            "scopes": {"sec": "Security administration."},
                        }
                    },
                }
            },
        },
    }


def _operation(
    route: Route, schemas: dict[int, dict[str, Any]], components: dict[str, Any]
) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": route.name,
        "tags": [route.name.partition(".")[0]],
        "summary": route.summary,
        "parameters": _parameters(route, components),
        "responses": {
            str(route.status): _response(route, schemas),
            "default": {
                "description": "Refused.",
                "content": _json({"$ref": "#/components/schemas/Error"}),
            },
        },
    }
    if route.body is not None:
        required = any(field.required for field in msgspec.structs.fields(route.body))
        found["requestBody"] = {"required": required, "content": _json(schemas[id(route.body)])}
    return found


def _parameters(route: Route, components: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PARAMETER.findall(route.path)
    ]
    if route.query is not None:
        properties = components[route.query.__name__]["properties"]
        found += [
            {"name": name, "in": "query", "schema": schema} for name, schema in properties.items()
        ]
    if route.needs_match:
        found.append(_IF_MATCH)
    if route.method == "POST":
        found.append(_IDEMPOTENCY_KEY)
    return found


def _response(route: Route, schemas: dict[int, dict[str, Any]]) -> dict[str, Any]:
    if route.result is None:
        return {"description": "Done."}
    found: dict[str, Any] = {"description": "Done.", "content": _json(schemas[id(route.result)])}
    if route.has_etag:
        found["headers"] = {"ETag": {"schema": {"type": "string"}}}
    return found


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}

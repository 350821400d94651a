"""The OpenAPI 3.1 document of a server and a page that shows it, both made from the table of routes, so that they cannot drift from what answers."""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, cast

import msgspec

from runtime.routes import Route

VERSION = "0.1.0"

# What any route may refuse with, before its handler is asked.
COMMON_CODES: Mapping[int, tuple[str, ...]] = {
    400: ("HTTP_MALFORMED", "UNKNOWN_PARAMETER", "BODY_MALFORMED"),
    415: ("CONTENT_ENCODING_NOT_SUPPORTED",),
    421: ("HOST_NOT_ALLOWED",),
    500: ("INTERNAL",),
    503: ("TIMED_OUT",),
}
QUERY_CODES: Mapping[int, tuple[str, ...]] = {400: ("INVALID_PARAMETER",)}
BODY_CODES: Mapping[int, tuple[str, ...]] = {
    400: (
        "JSON_MALFORMED", "JSON_NOT_AN_OBJECT", "JSON_TOO_DEEP", "JSON_TOO_LARGE", "STRING_TOO_LONG", "DUPLICATE_KEY",
        "NUMBER_NOT_FINITE", "NUMBER_OUT_OF_RANGE", "UNKNOWN_FIELD", "INVALID_FIELD",
    ),
    408: ("BODY_TIMEOUT",),
    413: ("BODY_TOO_LARGE",),
}  # fmt: skip
TOKEN_CODES: Mapping[int, tuple[str, ...]] = {401: ("TOKEN_REQUIRED", "TOKEN_INVALID"), 403: ("ROLE_REQUIRED",)}
CHANGE_CODES: Mapping[int, tuple[str, ...]] = {403: ("ORIGIN_NOT_ALLOWED", "CROSS_SITE")}

_PATH_PARAMETER = re.compile(r"{(\w+)(?::[^}]*)?}")
_ERROR_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["ok", "code", "message", "details", "request_id"],
    "properties": {
        "ok": {"const": False},
        "code": {"type": "string"},
        "message": {"type": "string"},
        "details": {"type": "object"},
        "request_id": {"type": "string"},
        "client_order_id": {"type": "string"},
    },
}
_UNKNOWN_SCHEMA = {
    "type": "object",
    "required": ["ok", "status", "code", "message", "details", "retry_safe", "request_id"],
    "properties": {
        **_ERROR_SCHEMA["properties"],
        "status": {"const": "UNKNOWN"},
        "retry_safe": {"type": "boolean"},
    },
}
_MEANINGS = {
    200: "Done", 201: "Made", 202: "Not known yet", 207: "Each on its own", 400: "Malformed", 401: "Who are you?", 403: "Not allowed",
    404: "No such thing", 405: "Not here", 408: "Too slow", 409: "It stands otherwise", 413: "Too large", 415: "Wrong type", 421: "Wrong host",
    422: "Refused by validation or risk", 429: "Too often", 500: "Our fault", 503: "Not now, nothing was sent", 504: "Too late, nothing was sent",
}  # fmt: skip


def openapi(title: str, routes: Sequence[Route]) -> dict[str, Any]:
    """The document."""
    types = [kind for route in routes for kind in (route.request, route.response) if kind is not None]
    references, components = msgspec.json.schema_components(list(dict.fromkeys(types)), ref_template="#/components/schemas/{name}")
    schema_of = dict(zip(dict.fromkeys(types), references, strict=True))
    requests = {route.request for route in routes}
    for kind in dict.fromkeys(types):
        if kind in requests and kind.__name__ in components:
            components[kind.__name__]["additionalProperties"] = False
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(_PATH_PARAMETER.sub(r"{\1}", route.path), {})[route.method.lower()] = _operation(route, schema_of)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": VERSION, "description": "Made from the table that also routes and validates."},
        "paths": paths,
        "components": {
            "schemas": {
                **{name: _numbers(schema) for name, schema in sorted(components.items())},
                "Error": _ERROR_SCHEMA,
                "Unknown": _UNKNOWN_SCHEMA,
            },
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(route: Route, schema_of: Mapping[type, dict[str, Any]]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": route.summary,
        "tags": [route.tag],
        "operationId": f"{route.method.lower()}_{re.sub(r'[^a-z0-9]+', '_', route.path.lower()).strip('_') or 'root'}",
        "parameters": [
            *({"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in _PATH_PARAMETER.findall(route.path)),
            *_query_parameters(route.query),
        ],
        "responses": _responses(route, schema_of),
        "x-access": route.auth,
    }
    if route.auth != "public":
        operation["security"] = [{"bearer": []}, {}] if route.auth == "read" else [{"bearer": []}]
    if route.request is not None:
        operation["requestBody"] = {"content": {"application/json": {"schema": schema_of[route.request]}}}
    return operation


def _query_parameters(kind: type | None) -> list[dict[str, Any]]:
    if kind is None:
        return []
    (reference,), components = msgspec.json.schema_components([kind])
    schema = components[reference["$ref"].rpartition("/")[2]]
    required = set(schema.get("required", ()))
    return [
        {"name": name, "in": "query", "required": name in required, "schema": _numbers(_without_null(item))}
        for name, item in schema["properties"].items()
    ]


def _without_null(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A query has no null: an absent parameter is absent."""
    kept = {key: value for key, value in schema.items() if not (key == "default" and value is None)}
    options = [option for option in kept.get("anyOf", ()) if option != {"type": "null"}]
    if not options:
        return kept
    del kept["anyOf"]
    return {**kept, **(options[0] if len(options) == 1 else {"anyOf": options})}


def _responses(route: Route, schema_of: Mapping[type, dict[str, Any]]) -> dict[str, Any]:
    success: dict[str, Any] = {"description": _MEANINGS.get(route.status, "Done")}
    if route.response is not None:
        success["content"] = {route.content_type: {"schema": schema_of[route.response]}}
    else:
        success["content"] = {"text/event-stream" if route.stream else route.content_type: {}}
    responses = {str(route.status): success}
    for status, meaning in route.also.items():
        responses[str(status)] = {"description": meaning, "content": success["content"]}
    if route.unknown:
        responses["202"] = {"description": route.unknown, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Unknown"}}}}
    for status, codes in sorted(_codes(route).items()):
        responses[str(status)] = {
            "description": f"{_MEANINGS.get(status, 'Refused')}: {', '.join(codes)}",
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
        }
    return responses


def _codes(route: Route) -> dict[int, tuple[str, ...]]:
    """Every code ``route`` may answer with, by status."""
    sources = [COMMON_CODES, route.codes]
    if route.auth != "public":
        sources.append(TOKEN_CODES)
    if route.method != "GET":
        sources.append(CHANGE_CODES)
    if route.query is not None:
        sources.append(QUERY_CODES)
    if route.request is not None:
        sources.append(BODY_CODES)
        if route.json_only:
            sources.append({415: ("UNSUPPORTED_MEDIA_TYPE",)})
    merged: dict[int, tuple[str, ...]] = {}
    for source in sources:
        for status, codes in source.items():
            if not codes:
                continue
            merged[status] = tuple(dict.fromkeys((*merged.get(status, ()), *codes)))
    return merged


def _numbers(schema: Any) -> Any:
    """msgspec describes a Decimal as text; on our wire it is a number, and input takes both."""
    if isinstance(schema, dict):
        if schema.get("format") == "decimal":
            rest = {key: value for key, value in schema.items() if key not in {"type", "format"}}
            return {**rest, "type": "number", **({"default": float(rest["default"])} if isinstance(rest.get("default"), str) else {})}
        return {key: _numbers(value) for key, value in schema.items()}
    if isinstance(schema, list):
        return [_numbers(item) for item in schema]
    return schema


DOCS_CSS = """:root { color-scheme: light dark; --line: #8884; --muted: #888; --accent: #2a7; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 62rem; padding: 2rem 1rem; }
h1 { font-size: 1.6rem; } h2 { border-bottom: 1px solid var(--line); font-size: 1.15rem; margin-top: 2.5rem; padding-bottom: .3rem; }
details { border: 1px solid var(--line); border-radius: 6px; margin: .5rem 0; padding: .5rem .8rem; }
summary { cursor: pointer; } code, pre { font: 13px/1.45 ui-monospace, monospace; } pre { overflow-x: auto; }
table { border-collapse: collapse; margin: .6rem 0; width: 100%; }
td, th { border-top: 1px solid var(--line); padding: .25rem .6rem .25rem 0; text-align: left; vertical-align: top; }
.method { color: var(--accent); display: inline-block; font-weight: 700; width: 4.5rem; } .access { color: var(--muted); float: right; }
"""


def docs_page(document: Mapping[str, Any]) -> str:
    """The document as one page without scripts, which the strict policy of S-W6 lets through."""
    by_tag: dict[str, list[str]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            by_tag.setdefault(operation["tags"][0], []).append(_operation_html(method, path, operation))
    sections = "".join(f"<h2>{escape(tag)}</h2>{''.join(rows)}" for tag, rows in by_tag.items())
    types = "".join(
        f"<details id='{escape(name)}'><summary><code>{escape(name)}</code></summary>{_schema_html(schema)}</details>"
        for name, schema in document["components"]["schemas"].items()
    )
    title = escape(document["info"]["title"])
    return (
        f"<!doctype html><html lang='en'><head><meta charset='utf-8'><title>{title}</title><meta name='viewport' content='width=device-width'>"
        f"<link rel='stylesheet' href='/docs.css'></head><body><h1>{title}</h1><p>Version {escape(document['info']['version'])}. The same"
        f" as <a href='/openapi.json'>/openapi.json</a>, made from the table that also routes and validates.</p>{sections}<h2>Types</h2>{types}"
        "</body></html>"
    )


def _operation_html(method: str, path: str, operation: Mapping[str, Any]) -> str:
    parameters = "".join(
        f"<tr><td><code>{escape(item['name'])}</code></td><td>{escape(item['in'])}</td><td>{escape(_type_text(item['schema']))}</td></tr>"
        for item in operation["parameters"]
    )
    responses = "".join(
        f"<tr><td><code>{status}</code></td><td>{escape(answer['description'])}</td></tr>" for status, answer in operation["responses"].items()
    )
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    return (
        f"<details><summary><span class='method'>{method.upper()}</span><code>{escape(path)}</code> {escape(operation['summary'])}"
        f"<span class='access'>{escape(operation['x-access'])}</span></summary>"
        + (f"<p>Body: {_type_html(body)}</p>" if body else "")
        + (f"<table>{parameters}</table>" if parameters else "")
        + f"<table>{responses}</table></details>"
    )


def _schema_html(schema: Mapping[str, Any]) -> str:
    required = set(schema.get("required", ()))
    rows = "".join(
        f"<tr><td><code>{escape(name)}</code>{'' if name in required else ' ?'}</td><td>{_type_html(item)}</td>"
        f"<td>{escape(str(item.get('description', '')))}</td></tr>"
        for name, item in schema.get("properties", {}).items()
    )
    return f"<table>{rows}</table>" if rows else f"<p>{escape(_type_text(schema))}</p>"


def _type_html(schema: Mapping[str, Any]) -> str:
    text = escape(_type_text(schema))
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    return f"<a href='#{escape(name)}'>{text}</a>" if name else text


def _type_text(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " or ".join(_type_text(option) for option in schema["anyOf"])
    if "enum" in schema:
        return " or ".join(str(value) for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_type_text(cast('Mapping[str, Any]', schema.get('items') or {}))}"
    limits = " ".join(f"{key} {schema[key]}" for key in ("minimum", "maximum", "minLength", "maxLength", "pattern") if key in schema)
    return f"{schema.get('type', 'any')} {limits}".strip()


def is_documentable(kind: type) -> bool:
    """Whether a type can stand in the document: a dataclass or a msgspec struct."""
    return dataclasses.is_dataclass(kind) or issubclass(kind, msgspec.Struct)

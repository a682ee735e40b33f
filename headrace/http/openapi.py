"""The OpenAPI document, with the events of the project, and the page that shows it: no script, nothing foreign."""

from __future__ import annotations

from html import escape
from typing import Any

from fastapi import FastAPI, Response
from headrace_ingestion.contract import Contract

from headrace.events.export.json_schema import json_schema
from headrace.http.bodies import FORMS
from headrace.project import Project

_STATUSES = {
    "200": "every record is accepted",
    "207": "some records are accepted, some refused by the contract",
    "400": "the body is not what its type says",
    "401": "no API key, or none that is known",
    "403": "the key does not allow this",
    "404": "there is nothing of that name",
    "405": "the event is made of others, and nobody sends it",
    "408": "the body did not come in time",
    "413": "too many bytes or records",
    "415": "no reader for this type or encoding",
    "422": "the contract refuses every record",
    "503": "a record has no acknowledgement of the broker; send the request again with the same event ids",
}
_OF_FEATURES = ("401", "403", "404", "422", "503")
_OF_SQL = ("400", "401", "403", "408", "413", "415")
_SQL_STATUSES = {"422": "the query is wrong, not allowed, or beyond a limit", "503": "as many queries run as may"}
_QUERY = {
    "type": "object",
    "properties": {"query": {"type": "string"}, "params": {"type": ["object", "array"]}},
    "required": ["query"],
    "additionalProperties": False,
}
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>
body{{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1d2733}}
code,pre{{font:14px/1.45 ui-monospace,monospace;background:#f2f5f8;border-radius:4px;padding:.1rem .3rem}}
pre{{padding:.8rem;overflow:auto}}table{{border-collapse:collapse;margin:.5rem 0}}
td,th{{text-align:left;padding:.25rem 1rem .25rem 0;border-bottom:1px solid #dde4ea;vertical-align:top}}
</style><h1>{title}</h1><p>The document for programs is <a href="openapi.json">openapi.json</a>. A key is sent as
<code>Authorization: Bearer KEY</code>.</p>{body}</html>"""


def describe(app: FastAPI, project: Project) -> None:
    """Complete the OpenAPI document of the application, and serve the page `/docs`."""
    document: dict[str, Any] = {}

    def openapi() -> dict[str, Any]:
        if not document:
            document.update(_completed(FastAPI.openapi(app), project))
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # the way that FastAPI gives for it

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return Response(_page(openapi()), media_type="text/html")


def event_schema(contract: Contract) -> dict[str, Any]:
    """Return the JSON Schema of one event as a request holds it."""
    schema = {name: value for name, value in json_schema(contract).items() if name not in ("$schema", "title")}
    event_id = {"type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[ -~]+$"}
    return {**schema, "properties": {"event_id": event_id, **schema["properties"]}}


def _completed(document: dict[str, Any], project: Project) -> dict[str, Any]:
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for contract in project.contracts.values():
        schemas[f"event_{contract.name}"] = event_schema(contract)
    document["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    document["security"] = [{"key": []}, {}]
    one = {"oneOf": [{"$ref": f"#/components/schemas/event_{name}"} for name in project.contracts]}
    many = {"type": "array", "items": one}
    content = {media: {"schema": {"type": "string"}} for media in FORMS if media != "application/json"}
    for path, operations in document["paths"].items():
        for operation in operations.values():
            statuses = {"200": "done"}
            if path.startswith("/events/"):
                operation["requestBody"] = {
                    "required": True,
                    "content": {"application/json": {"schema": {"anyOf": [one, many]}}, **content},
                }
                statuses = _STATUSES
            elif path.startswith("/features/"):
                statuses = {"200": "the values and their age", **{code: _STATUSES[code] for code in _OF_FEATURES}}
            elif path == "/sql":
                operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": _QUERY}}}
                statuses = {"200": "the rows", **{code: _STATUSES[code] for code in _OF_SQL}, **_SQL_STATUSES}
            elif path == "/readyz":
                statuses = {"200": "ready", "503": "not ready"}
            operation["responses"] = {code: {"description": text} for code, text in statuses.items()}
    return document


def _page(document: dict[str, Any]) -> str:
    parts = []
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            said = escape(operation.get("description", "")).replace("\n", " ")
            statuses = "".join(
                f"<tr><td><code>{code}</code></td><td>{escape(response['description'])}</td></tr>"
                for code, response in operation["responses"].items()
            )
            heading = f"<h2><code>{method.upper()} {escape(path)}</code></h2>"
            parts.append(f"{heading}<p>{said}</p><table>{statuses}</table>")
            if path.startswith("/events/"):
                types = ", ".join(f"<code>{media}</code>" for media in operation["requestBody"]["content"])
                parts.append(f"<p>Bodies: {types}; each also with <code>Content-Encoding: gzip</code>.</p>")
    for name, schema in document["components"]["schemas"].items():
        if name.startswith("event_"):
            rows = "".join(_row(field, name_, schema) for name_, field in schema["properties"].items())
            head = "<tr><th>field</th><th>type</th><th>required</th></tr>"
            parts.append(f"<h2>Event <code>{escape(name[6:])}</code></h2><table>{head}{rows}</table>")
    return _PAGE.format(title=escape(document["info"]["title"]), body="".join(parts))


def _row(field: dict[str, Any], name: str, schema: dict[str, Any]) -> str:
    kind = escape(" ".join(str(field[key]) for key in ("type", "format") if key in field))
    required = "yes" if name in schema["required"] else "no"
    return f"<tr><td><code>{escape(name)}</code></td><td>{kind}</td><td>{required}</td></tr>"

"""The document as a page that needs no other host and no script."""

from __future__ import annotations

import json
import re
from html import escape
from pathlib import Path

from service.web.openapi.parts import JSON, Json

STYLE = (Path(__file__).parent / "page.css").read_text()


def page(document: Json) -> str:
    """Return the page, UTF-8."""
    info = document["info"]
    title = f"{escape(info['title'])} {escape(info['version'])}"
    sections = "".join(_section(document, tag) for tag in document["tags"])
    schemas = "".join(_schema(*each) for each in document["components"]["schemas"].items())
    contents = "".join(
        f'<li><a href="#{_anchor(tag["name"])}">{escape(tag["name"])}</a>'
        for tag in [*document["tags"], {"name": "Schemas"}]
    )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLE}</style><header><h1>{title}</h1>{_prose(info['description'])}"
        f'<p><a href="openapi.json">openapi.json</a> is the same for programs.</p></header>'
        f"<nav><ul>{contents}</ul></nav><main>{sections}"
        f'<section><h2 id="schemas">Schemas</h2>{schemas}</section></main></html>'
    )


def _section(document: Json, tag: Json) -> str:
    operations = "".join(
        _operation(verb, path, operation)
        for path, verbs in document["paths"].items()
        for verb, operation in verbs.items()
        if tag["name"] in operation["tags"]
    )
    return (
        f'<section><h2 id="{_anchor(tag["name"])}">{escape(tag["name"])}</h2>'
        f"{_prose(tag['description'])}{operations}</section>"
    )


def _operation(verb: str, path: str, operation: Json) -> str:
    parameters = "".join(
        f"<tr><td><code>{escape(each['name'])}</code><td>{each['in']}"
        f"<td><code>{escape(_brief(each['schema']))}</code><td>{_code(each['description'])}"
        for each in operation.get("parameters", ())
    )
    answers = "".join(
        f"<tr><td>{status}<td>{_code(each['description'])}<td>{_kinds(each.get('content', {}))}"
        for status, each in operation["responses"].items()
    )
    tokens = " · needs a token" if {} not in operation.get("security", [{}]) else ""
    return (
        f'<details id="{operation["operationId"]}"><summary><b>{verb.upper()}</b>'
        f" <code>{escape(path)}</code> {escape(operation['summary'])}{tokens}</summary>"
        + _prose(operation.get("description", ""))
        + (f"<h3>Parameters</h3><table>{parameters}</table>" if parameters else "")
        + _body(operation.get("requestBody"))
        + f"<h3>Answers</h3><table>{answers}</table>"
        + _examples(operation["responses"]["200"].get("content", {}))
        + "</details>"
    )


def _body(body: Json | None) -> str:
    if body is None:
        return ""
    return f"<h3>Body</h3><p>{_kinds(body['content'])}</p>{_examples(body['content'])}"


def _examples(content: Json) -> str:
    return "".join(
        f"<h4>Example: {escape(name.replace('_', ' '))}</h4><pre>{_text(example['value'])}</pre>"
        for media in content.values()
        for name, example in media.get("examples", {}).items()
    )


def _kinds(content: Json) -> str:
    return ", ".join(
        f"<code>{escape(kind)}</code> {_link(media['schema'])}" for kind, media in content.items()
    )


def _link(schema: Json) -> str:
    name = schema.get("$ref", "").rpartition("/")[2]
    return f'(<a href="#schema-{name}">{escape(name)}</a>)' if name else ""


def _schema(name: str, schema: Json) -> str:
    return (
        f'<details id="schema-{name}"><summary><code>{escape(name)}</code></summary>'
        f"<pre>{_text(schema)}</pre></details>"
    )


def _brief(schema: Json) -> str:
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    bounds = [str(schema[key]) for key in ("minimum", "maximum") if key in schema]
    return f"{schema.get('type', JSON)} {' to '.join(bounds)}".strip()


def _prose(text: str) -> str:
    return "".join(f"<p>{_code(each)}</p>" for each in text.split("\n\n") if each)


def _code(text: str) -> str:
    """Return text whose parts between backticks are set as code."""
    return re.sub("`(.+?)`", r"<code>\1</code>", escape(text))


def _text(value: object) -> str:
    return escape(json.dumps(value, indent=2, ensure_ascii=False))


def _anchor(name: str) -> str:
    return name.lower().replace(" ", "-")

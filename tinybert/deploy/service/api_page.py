"""/docs: the API as one page of HTML without scripts, which needs no network.

FastAPI's page loads Swagger UI from a CDN.
"""

import json
from html import escape

HEAD = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>tinybert: API</title>
<style>
  :root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
  body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
  pre { overflow-x: auto; }
  td { padding-right: 1rem; vertical-align: top; }
</style>
<h1>API</h1>
<p>For programs: <a href="openapi.json">openapi.json</a>. To try it: <a href="./">the page</a>.</p>
"""


def html(api: dict) -> str:
    """api: a description in the OpenAPI format, with operations of the methods GET and POST."""
    parts = [HEAD]
    for path, operations in api["paths"].items():
        for method, operation in operations.items():
            parts.append(f"<h2>{method.upper()} {escape(path)}</h2>\n")
            parts.append(f"<p>{escape(operation.get('description', ''))}</p>\n")
            if "requestBody" in operation:
                parts.append(f"<p>Body: {_contents(operation['requestBody'])}</p>\n")
            rows = (
                f"<tr><td>{status}<td>{escape(response['description'])}<td>{_contents(response)}\n"
                for status, response in operation["responses"].items()
            )
            parts.append(f"<table>\n{''.join(rows)}</table>\n")
    parts.append("<h2>Schemas</h2>\n")
    for name, schema in api["components"]["schemas"].items():
        source = escape(json.dumps(schema, indent=2, ensure_ascii=False))
        parts.append(f'<h3 id="{escape(name)}">{escape(name)}</h3>\n<pre>{source}</pre>\n')
    return "".join([*parts, "</html>\n"])


def _contents(message: dict) -> str:
    """The media types of a body, each with a link to its schema if that has a name."""
    links = []
    for media_type, content in message.get("content", {}).items():
        name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
        link = f' <a href="#{escape(name)}">{escape(name)}</a>' if name else ""
        links.append(f"{escape(media_type)}{link}")
    return ", ".join(links)

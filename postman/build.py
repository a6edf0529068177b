"""The Postman collection, made of the requests as people write them: ``python -m postman.build``.

``requests/*.http`` are the modules, in order. A request is written as HTTP clients of editors have it::

    ### Name
    # What it is about.
    < {%
    script before the request
    %}
    POST {{base_url}}/v1/things
    Header: value

    body, or < and the name of a file

    > {%
    script after the answer
    %}
"""

import json
import re
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
COLLECTION = HERE / "hexcast.postman_collection.json"
SCHEMA = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
SHARED = "const {answered, listed, refused, until, keep, kept, cookies, addresses} = hexcast(pm);"

_REQUEST = re.compile(
    r"(?P<name>.+)\n"
    r"(?P<about>(?:# .+\n)*)"
    r"(?:< \{%\n(?P<before>(?s:.*?))\n%\}\n)?"
    r"(?P<method>[A-Z]+) (?P<url>\S+)\n"
    r"(?P<headers>(?:[\w-]+: .+\n)*)"
    r"(?:\n(?P<body>(?s:.+?))\n)??"
    r"\n> \{%\n(?P<after>(?s:.*?))\n%\}\s*"
)

Json = dict[str, Any]


def _script(listen: str, *lines: str) -> Json:
    return {"listen": listen, "script": {"type": "text/javascript", "exec": list(lines)}}


def _about(comment: str) -> str:
    return " ".join(line.removeprefix("# ") for line in comment.splitlines())


def _body(text: str, headers: list[Json]) -> Json:
    if text.startswith("< "):
        return {"mode": "file", "file": {"src": text.removeprefix("< ")}}
    if not any(header["key"] == "Content-Type" for header in headers):
        headers.append({"key": "Content-Type", "value": "application/json"})
        return {"mode": "raw", "raw": text, "options": {"raw": {"language": "json"}}}
    return {"mode": "raw", "raw": text}


def _item(text: str) -> Json:
    """One request. Raises ValueError for one that is not written as the module's docstring says."""
    found = _REQUEST.fullmatch(text)
    if found is None:
        raise ValueError(f"this is no request: {text[:200]}")
    named = [line.split(": ", 1) for line in found["headers"].splitlines()]
    headers: list[Json] = [{"key": key, "value": value} for key, value in named]
    request: Json = {"method": found["method"], "header": headers, "url": found["url"]}
    if found["body"]:
        request["body"] = _body(found["body"], headers)
    if found["about"]:
        request["description"] = _about(found["about"])
    events = [_script("prerequest", *found["before"].split("\n"))] if found["before"] else []
    events.append(_script("test", SHARED, *found["after"].split("\n")))
    return {"name": found["name"], "event": events, "request": request}


def _folder(text: str) -> Json:
    """A module: its name and what it is about, then its requests."""
    head, *requests = re.split(r"^### ", text, flags=re.MULTILINE)
    name, _, about = head.strip().partition("\n")
    return {
        "name": name.removeprefix("# "), "description": _about(about.strip()), "item": [_item(each) for each in requests]
    }  # fmt: skip


def built() -> str:
    """The collection, as text."""
    modules = sorted((HERE / "requests").glob("*.http"))
    collection = {
        "info": {
            "name": "Hexcast",
            "description": "Walks every module of the API and leaves nothing behind. Choose an environment, run it whole.",
            "schema": SCHEMA,
        },
        # The jar would send media cookies where we want to see what happens without.
        "protocolProfileBehavior": {"disableCookies": True, "followRedirects": False},
        "event": [_script("test", *(HERE / "shared.js").read_text("utf-8").rstrip().split("\n"))],
        "item": [_folder(module.read_text("utf-8")) for module in modules],
    }
    return json.dumps(collection, indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """Write the collection, and say whether that changed it."""
    before = COLLECTION.read_text("utf-8") if COLLECTION.exists() else ""
    after = built()
    COLLECTION.write_text(after, "utf-8")
    print(f"{COLLECTION.name}: {'as it was' if after == before else 'updated'}")


if __name__ == "__main__":
    main()

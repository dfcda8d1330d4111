"""The files that pages are made of, and the policy under which a page loads nothing."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from html import escape
from importlib.resources import files
from string import Template


@cache
def resource(name: str) -> str:
    """The text of a file beside this one."""
    return files(__package__).joinpath(name).read_text("utf-8")


def document(
    *,
    title: str,
    kind: str,
    lede: str,
    note: str,
    main: str,
    version: str,
    others: Mapping[str, str] | None = None,
    style: str = "",
) -> str:
    """A page without scripts of its own: `note` and `main` are HTML, the rest is text.

    `kind` is the class of its body, `style` what it needs besides the styles of all pages, and `others` has
    the files that belong to it and what they are called.
    """
    theme = resource("theme.js")
    links = "".join(f'<a href="{escape(file)}">{escape(name)}</a>' for file, name in (others or {}).items())
    text = Template(resource("document.template.html")).substitute(
        policy=policy(theme),
        style=resource("report.css") + style,
        theme=theme,
        title=escape(title),
        kind=kind,
        lede=escape(lede),
        note=note,
        main=main,
        others=f'<nav aria-label="Other files of this report">{links}</nav>\n' if links else "",
        version=escape(version),
    )
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def policy(*scripts: str) -> str:
    """Lets our own scripts run, nothing else, and nothing be loaded."""
    hashes = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in hashes)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )

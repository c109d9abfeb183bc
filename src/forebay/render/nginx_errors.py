"""How nginx answers with the edge's own pages."""

from __future__ import annotations

from forebay.render.error_pages import PAGES, body
from forebay.render.nginx_text import quoted

PREFIX = "/.forebay-edge/"
"""Where the pages lie; `internal`, so that no client can ask for them."""


def error_pages() -> list[str]:
    """Directives that lead each status to its page. A URI, not a named location: that fails on a bad request line."""
    changed = {page: f"={page.answer} " for page in PAGES if page.answer != page.status}
    return [f"error_page {page.status} {changed.get(page, '')}{PREFIX}{page.status};" for page in PAGES]


def locations(headers: list[str]) -> list[str]:
    """A location for each page. `headers` are repeated in each: `add_header` in a location drops inherited ones."""
    lines = []
    for page in PAGES:
        retry = [] if page.retry_after_s is None else [f'add_header Retry-After "{page.retry_after_s}" always;']
        lines += [
            f"location = {PREFIX}{page.status} {{",
            "    internal;",
            "    default_type application/json;",
            *(f"    {line}" for line in [*headers, *retry]),
            f"    return {page.answer} {quoted(body(page), 'edge')};",
            "}",
        ]
    return lines

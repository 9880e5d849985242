"""The read-only page on one study: static files that hold no data and need no other host."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import resources

PAGE = "index.html"
_MEDIA_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class PageFile:
    """One file as it is served; the tag is a strong ETag of its bytes."""

    content: bytes
    media_type: str
    tag: str


def read_files() -> dict[str, PageFile]:
    """Read every file of the page by its name."""
    return {
        entry.name: _page_file(entry.read_bytes(), _MEDIA_TYPES[suffix])
        for entry in resources.files(__name__).iterdir()
        if (suffix := entry.name.rpartition(".")[2]) in _MEDIA_TYPES
    }


def _page_file(content: bytes, media_type: str) -> PageFile:
    return PageFile(content, media_type, f'"{hashlib.sha256(content).hexdigest()[:32]}"')

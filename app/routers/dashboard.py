"""The read-only page and its files: open to anybody, since all data come by the API."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from app.dashboard import PAGE, read_files

# Open like the health of the service, and no part of the API that the document describes.
router = APIRouter(prefix="/dashboard", include_in_schema=False)

# Whatever a text of the API may hold, the browser loads and runs only what came with the service;
# `blob:` shows the pictures, which are asked for with the reader's token.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
    " img-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_FILES = read_files()
_READING = ["GET", "HEAD"]


@router.api_route("", methods=_READING)
async def read_dashboard(request: Request) -> Response:
    """Serve the page."""
    return _answer(request, PAGE)


@router.api_route("/", methods=_READING)
async def find_dashboard(request: Request) -> Response:
    """Lead to the page, whose links are relative to its address without the slash."""
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(f"../dashboard{query}", status_code=308, headers=_HEADERS)


@router.api_route("/{name}", methods=_READING)
async def read_dashboard_file(request: Request, name: str) -> Response:
    """Serve one file of the page: its style or a script."""
    if name not in _FILES:
        raise HTTPException(404)
    return _answer(request, name)


def _answer(request: Request, name: str) -> Response:
    """Give the file, or tell who holds these bytes that they are still the ones."""
    file = _FILES[name]
    headers = _HEADERS | {"ETag": file.tag}
    # A proxy that compresses weakens the tag; for reading, weak and strong are compared alike.
    held = {
        each.strip().removeprefix("W/")
        for each in request.headers.get("If-None-Match", "").split(",")
    }
    if held & {file.tag, "*"}:
        return Response(status_code=304, headers=headers)
    return Response(file.content, headers=headers, media_type=file.media_type)

"""HTTP only: each endpoint is its annotations and one service call."""

from app.routers import health, studies, subjects

BASE = "/api/v1"

ROUTERS = [
    ("", health.router),
    ("", health.guarded),
    (BASE, studies.router),
    (BASE, subjects.router),
]

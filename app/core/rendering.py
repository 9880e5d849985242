"""Pictures from specifications: drawn by a process of its own, labelled, and kept for a while.

The process starts with the first picture. One that died is replaced, and one that takes too long is
ended, so whoever asks next has a new one.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import subprocess
import sys
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from app.core.logging import log
from app.core.serialization import to_json
from app.domain.errors import DomainError, ErrorKind

SECONDS = 20.0
MOST_KEPT = 64
MOST_WAITING = 16
PROGRAM = Path(__file__).with_name("drawing.py")


class Renderer:
    """Draws Vega-Lite specifications as SVG."""

    def __init__(self, seconds: float = SECONDS, program: Path = PROGRAM) -> None:
        # Isolated: with nothing of the service's environment, and none of its folders to load from.
        self._command = [sys.executable, "-I", "-X", "utf8", str(program)]
        self._seconds = seconds
        # One thread speaks with the process, so that answers belong to their questions.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="pictures")
        self._process: subprocess.Popen[str] | None = None
        self._end: Callable[[], object] = bool
        self._kept: OrderedDict[str, str] = OrderedDict()
        self._drawing: dict[str, asyncio.Future[str]] = {}
        self._waiting = 0

    async def draw(self, specification: Mapping[str, Any]) -> str:
        """Return the SVG of a specification whose `title`, `description` and `name` label it.

        Raises unavailable when it cannot be drawn now.
        """
        text = await asyncio.to_thread(to_json, specification)
        key = hashlib.sha256(text.encode()).hexdigest()
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        if key not in self._drawing:
            drawing = asyncio.ensure_future(self._draw(key, text, specification))
            drawing.add_done_callback(partial(self._over, key))
            self._drawing[key] = drawing
        # Whoever goes away leaves the drawing to those who asked for the same.
        return await asyncio.shield(self._drawing[key])

    def _over(self, key: str, drawing: asyncio.Future[str]) -> None:
        """Forget a drawing, also one that failed when nobody waited any more."""
        del self._drawing[key]
        if not drawing.cancelled():
            drawing.exception()

    async def _draw(self, key: str, text: str, specification: Mapping[str, Any]) -> str:
        svg = self._kept[key] = _labelled(await self._drawn(text), specification)
        while len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
        return svg

    def close(self) -> None:
        """End the process; the next picture would start another."""
        self._process = None
        self._end()

    async def _drawn(self, text: str) -> str:
        if self._waiting >= MOST_WAITING:
            raise _unavailable("pictures_busy", "Too many pictures are asked for at once")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._ask, text)
        finally:
            self._waiting -= 1

    def _ask(self, text: str) -> str:
        """Let the process draw, in the one thread that speaks with it."""
        process = self._running()
        watch = threading.Timer(self._seconds, process.kill)
        watch.start()
        try:
            answer = _exchange(process, text)
        except (OSError, ValueError) as error:
            self.close()
            log.warning("picture_not_drawn", error=type(error).__name__)
            raise _unavailable("picture_not_drawn", "The picture could not be drawn") from error
        finally:
            watch.cancel()
        if "svg" not in answer:
            log.error("picture_refused")
            raise DomainError(
                ErrorKind.UNAVAILABLE,
                "picture_refused",
                "These records make no picture that can be drawn; read its data as .vl.json, and"
                " tell whoever runs the service.",
            )
        return answer["svg"]

    def _running(self) -> subprocess.Popen[str]:
        """Return the process that draws; start one unless it runs."""
        if self._process is None or self._process.poll() is not None:
            self.close()
            pipe = subprocess.PIPE
            process = subprocess.Popen(
                self._command, stdin=pipe, stdout=pipe, encoding="utf-8", env={}, cwd="/"
            )
            # Also when nobody closes this: with the last reference to it, or with the service.
            self._process, self._end = process, weakref.finalize(self, _end, process)
        return self._process


def _exchange(process: subprocess.Popen[str], text: str) -> dict[str, str]:
    """Send one line and read one; raises OSError or ValueError when the process is gone."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(text + "\n")
    process.stdin.flush()
    answer: dict[str, str] = json.loads(process.stdout.readline())
    return answer


def _end(process: subprocess.Popen[str]) -> None:
    """End a process, collect it and close what led to it."""
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        assert pipe is not None
        try:
            pipe.close()
        except OSError:  # what it had not read yet
            continue


def _unavailable(code: str, what: str) -> DomainError:
    sentence = f"{what}; try again in a moment, or read its data as .vl.json."
    return DomainError(ErrorKind.UNAVAILABLE, code, sentence, retry_seconds=2)


def _labelled(svg: str, specification: Mapping[str, Any]) -> str:
    """Tell those who cannot see the picture what it is and what it shows."""
    name, title = specification["name"], specification["title"]["text"]
    start, _, rest = svg.removeprefix("<svg ").partition(">")
    return (
        f'<svg role="img" aria-labelledby="{name}-title {name}-description" {start}>'
        f'<title id="{name}-title">{escape(title)}</title>'
        f'<desc id="{name}-description">{escape(specification["description"])}</desc>{rest}'
    )

"""Pictures are drawn by a process of its own: labelled, kept, replaced when it dies or hangs."""

import asyncio
import gc
import os
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET

import pytest

from app.core import rendering
from app.core.drawing import draw, refuse_undrawable
from app.core.rendering import Renderer
from app.core.serialization import to_json
from app.domain.errors import DomainError, ErrorKind
from app.pictures.style import Caption, nothing

SVG = "{http://www.w3.org/2000/svg}"
HANGS = "import sys, time\nfor line in sys.stdin: time.sleep(600)\n"
TALKS = "import sys\nfor line in sys.stdin: print('no JSON', flush=True)\n"


def specification(title="A & <b>", text="Nobody yet – <script>."):
    """Specify a small picture."""
    return nothing(
        Caption(name="sample", title=title, basis="Today.", description='What "it" & <i> show.'),
        text,
    )


@pytest.fixture
def renderer():
    """A renderer of its own."""
    made = Renderer()
    yield made
    made.close()


def program(tmp_path, text):
    """Write a program in place of the one that draws."""
    path = tmp_path / "drawing.py"
    path.write_text(text, encoding="utf-8")
    return path


def wait_for_process(renderer):
    """Return once the process is there."""
    while renderer._process is None:
        time.sleep(0.01)


def runs(process):
    """Tell whether a process is there."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


async def test_the_picture_is_labelled_for_who_cannot_see_it(renderer):
    """An image with title and description, in words that are escaped."""
    svg = await renderer.draw(specification())
    root = ET.fromstring(svg)
    title, description = root[0], root[1]
    assert (title.tag, title.text) == (f"{SVG}title", "A & <b>")
    assert (description.tag, description.text) == (f"{SVG}desc", 'What "it" & <i> show.')
    assert root.get("role") == "img"
    assert root.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"
    assert "Nobody yet – <script>." in "".join(root.itertext())
    assert not list(root.iter(f"{SVG}script"))


async def test_the_same_specification_gives_the_same_bytes(renderer):
    """Also of another process; what was drawn is kept, so the second answer needs none."""
    first = await renderer.draw(specification())
    process = renderer._process
    renderer.close()
    assert await renderer.draw(specification()) == first
    assert renderer._process is None
    other = Renderer()
    assert await other.draw(specification()) == first
    assert other._process.pid != process.pid
    other.close()


async def test_what_is_kept_is_bounded(renderer, monkeypatch):
    """The picture that was asked for longest ago makes room."""
    monkeypatch.setattr(rendering, "MOST_KEPT", 2)
    for title in ("one", "two", "one", "three"):
        await renderer.draw(specification(title))
    kept = "".join(renderer._kept.values())
    assert len(renderer._kept) == 2
    assert ">one<" in kept
    assert ">two<" not in kept


async def test_a_process_that_died_is_replaced(renderer):
    """Killed between two pictures, the next one is drawn all the same."""
    await renderer.draw(specification("one"))
    first = renderer._process
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    assert "two" in await renderer.draw(specification("two"))
    assert renderer._process.pid != first.pid


async def test_one_that_dies_while_it_draws_is_unavailable_once(renderer, tmp_path):
    """Whoever waits is told; the next picture has another process."""
    hanging = Renderer(program=program(tmp_path, HANGS))
    asked = asyncio.create_task(hanging.draw(specification()))
    await asyncio.to_thread(wait_for_process, hanging)
    os.kill(hanging._process.pid, signal.SIGKILL)
    with pytest.raises(DomainError) as refusal:
        await asked
    assert (refusal.value.kind, refusal.value.code) == (ErrorKind.UNAVAILABLE, "picture_not_drawn")
    assert refusal.value.retry_seconds
    hanging._command = renderer._command
    assert "<svg" in await hanging.draw(specification())
    hanging.close()


async def test_one_that_takes_too_long_is_ended(tmp_path):
    """After its time the process is gone, and the request is refused for now."""
    hanging = Renderer(seconds=0.3, program=program(tmp_path, HANGS))
    with pytest.raises(DomainError) as refusal:
        await hanging.draw(specification())
    assert refusal.value.kind is ErrorKind.UNAVAILABLE
    assert hanging._process is None


async def test_what_is_no_answer_is_unavailable(tmp_path):
    """A program that says something else is ended."""
    talking = Renderer(program=program(tmp_path, TALKS))
    with pytest.raises(DomainError) as refusal:
        await talking.draw(specification())
    assert refusal.value.code == "picture_not_drawn"
    assert talking._process is None


async def test_a_specification_that_is_none_is_refused_and_the_process_stays(renderer):
    """One bad picture does not cost the others their process."""
    with pytest.raises(DomainError) as refusal:
        await renderer.draw(specification() | {"mark": "no such mark"})
    assert (refusal.value.code, refusal.value.retry_seconds) == ("picture_refused", None)
    assert renderer._process.poll() is None
    assert "<svg" in await renderer.draw(specification())


@pytest.mark.parametrize("character", ["\x00", "\x0b", "\x1f", "\ufffe"])
async def test_a_character_that_xml_has_none_for_costs_no_process(renderer, character):
    """The library would end with the process; such a picture is refused instead."""
    await renderer.draw(specification())
    process = renderer._process
    with pytest.raises(DomainError) as refusal:
        await renderer.draw(specification(f"bad{character}"))
    assert refusal.value.code == "picture_refused"
    assert (renderer._process, process.poll()) == (process, None)


async def test_the_same_picture_asked_for_at_once_is_drawn_once(renderer, monkeypatch):
    """However many ask: they take one place in the queue and get the same bytes."""
    monkeypatch.setattr(rendering, "MOST_WAITING", 1)
    asked = []
    exchange = rendering._exchange

    def noted(process, text):
        asked.append(text)
        return exchange(process, text)

    monkeypatch.setattr(rendering, "_exchange", noted)
    drawn = await asyncio.gather(*(renderer.draw(specification("same")) for _ in range(20)))
    assert (len(set(drawn)), len(asked)) == (1, 1)


async def test_who_goes_away_leaves_the_drawing_to_the_others(renderer):
    """The first to ask is no longer there; the second gets the picture."""
    first = asyncio.create_task(renderer.draw(specification("left")))
    second = asyncio.create_task(renderer.draw(specification("left")))
    await asyncio.sleep(0.05)
    first.cancel()
    assert "<svg" in await second
    assert renderer._drawing == {}


async def test_too_many_at_once_are_refused(tmp_path, monkeypatch):
    """The queue is bounded, so that pictures never hold more than some requests."""
    monkeypatch.setattr(rendering, "MOST_WAITING", 1)
    hanging = Renderer(program=program(tmp_path, HANGS))
    first = asyncio.create_task(hanging.draw(specification("one")))
    await asyncio.to_thread(wait_for_process, hanging)
    with pytest.raises(DomainError) as refusal:
        await hanging.draw(specification("two"))
    assert refusal.value.code == "pictures_busy"
    hanging.close()
    with pytest.raises(DomainError):
        await first


async def test_the_process_ends_with_its_renderer():
    """Nobody has to close one that is not used any more."""
    forgotten = Renderer()
    await forgotten.draw(specification())
    process = forgotten._process.pid
    assert runs(process)
    del forgotten
    gc.collect()
    assert not runs(process)


@pytest.mark.parametrize(
    "part",
    [
        {"data": {"url": "file:///etc/passwd"}},
        {"data": {"url": "https://trial.example/data.json"}},
        {"layer": [{"mark": "image", "encoding": {"url": {"value": "https://trial.example"}}}]},
        {"layer": [{"encoding": {"href": {"value": "https://trial.example"}}}]},
    ],
)
def test_nothing_is_loaded(part):
    """No file and no address, wherever it stands; the rest of the specification is fine."""
    refuse_undrawable(specification())
    assert "svg" in draw(to_json(specification()))
    assert "loads nothing" in draw(to_json(specification() | part))["error"]


def test_the_service_does_not_load_the_engine():
    """The library with its JavaScript engine is imported by the process that draws only."""
    asks = "import sys, app.main; print('vl_convert' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", asks], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"

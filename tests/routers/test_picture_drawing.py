"""Pictures over HTTP while the process that draws them dies or cannot draw."""

import os
import signal


async def test_a_drawing_process_that_was_killed_is_replaced(api, app):
    """The next picture is drawn."""
    assert (await api().get("/metrics/ladder.svg")).status_code == 200
    process = app.state.renderer._process
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert (await api().get("/metrics/enrolment.svg")).status_code == 200


async def test_what_cannot_be_drawn_is_unavailable_and_its_data_is_not(api, app, tmp_path):
    """503 with a sentence and a time to wait; the specification is served all the same."""
    broken = tmp_path / "drawing.py"
    broken.write_text("raise SystemExit(1)", encoding="utf-8")
    app.state.renderer._command[-1] = str(broken)
    answer = await api().get("/metrics/ladder.svg")
    assert (answer.status_code, answer.json()["code"]) == (503, "picture_not_drawn")
    assert answer.headers["retry-after"]
    assert (await api().get("/metrics/ladder.vl.json")).status_code == 200

"""docs/laboratory-systems.md stays true: its commands work, its codes and addresses exist."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from app.core.config import Settings
from app.domain.inbound import InboxReason
from app.interop.hl7v2 import reading, receiving
from app.main import openapi_document
from app.mllp import conversation
from app.schemas.sender_profiles import ProfileDocument
from tests.test_cli import ROOT, environment, serving
from tests.test_mllp_process import listening

PAGE = (ROOT / "docs" / "laboratory-systems.md").read_text(encoding="utf-8")
NETCAT = """#!{python}
import shutil, socket, sys
line = socket.create_connection((sys.argv[-2], int(sys.argv[-1])))
line.sendall(sys.stdin.buffer.read())
line.shutdown(socket.SHUT_WR)
shutil.copyfileobj(line.makefile("rb"), sys.stdout.buffer)
"""


def blocks(heading: str) -> list[str]:
    """Return the commands below a heading."""
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"```sh\n(.*?)```", section, re.DOTALL)


def with_netcat(folder: Path) -> str:
    """Give a PATH on which there is a netcat, our own where the machine has none."""
    folder.mkdir()
    if shutil.which("nc") is None:
        netcat = folder / "nc"
        netcat.write_text(NETCAT.format(python=sys.executable), encoding="utf-8")
        netcat.chmod(0o755)
    return f"{folder}:{environment()['PATH']}"


@pytest.mark.skipif(shutil.which("curl") is None, reason="the page asks with curl")
def test_the_commands_answer_as_the_page_says(empty_url, tmp_path):
    """Pasted into a shell: filed, repeated, mapped, balanced, and known by the other door."""
    (curl,) = blocks("A first message with curl")
    _, *mllp = blocks("MLLP with netcat")
    settings = {"DATABASE_URL": empty_url, "DATA_DIR": str(tmp_path / "data")}
    (tmp_path / "data").mkdir()
    with serving(**settings) as (address, _), listening(**settings) as listener:
        script = "\n".join([curl, *mllp]).replace("http://127.0.0.1:8000", address)
        for sign in (":", " ", "/"):
            script = script.replace(f"127.0.0.1{sign}2575", listener.replace(":", sign))
        script = script.replace(".venv/bin/msc-icaht", f"{shlex.quote(sys.executable)} -m app.cli")
        pasted = subprocess.run(
            ["bash", "-eu", "-c", script],
            cwd=tmp_path,
            env=environment(
                **settings,
                PORT=address.rpartition(":")[2],
                PATH=with_netcat(tmp_path / "bin"),
                PYTHONPATH=str(ROOT),
            ),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
    assert pasted.returncode == 0, pasted.stderr
    acknowledged = [line for line in pasted.stdout.splitlines() if line.startswith("MSA")]
    assert len(acknowledged) == 4, pasted.stdout
    assert len(set(acknowledged)) == 1, "the same bytes get the same answer by every door"
    assert "3 received, 2 filed, 0 duplicate, 1 in the inbox" in acknowledged[0]
    assert pasted.stdout.count("MSG-0001  AA  Stored") == 2
    assert '"reading":{"status":"final","value":102' in pasted.stdout
    assert '"filed":3' in pasted.stdout


def test_every_reason_and_refusal_is_explained():
    """A code that an engineer can meet is on the page."""
    refusals = {
        *(reading.NOT_HL7, reading.WRONG_MESSAGE_TYPE, reading.NOT_PRODUCTION),
        *(reading.TOO_MANY_RESULTS, receiving.TOO_MANY_MESSAGES),
        *(conversation.NOT_FRAMED, conversation.OVERSIZED),
    }
    codes = {reason.value for reason in InboxReason} | refusals
    assert {code for code in codes if f"`{code}`" not in PAGE} == set()


def test_every_profile_field_and_setting_is_explained():
    """What can be set for a sender or for the listener is on the page."""
    settings = {name.upper() for name in Settings.model_fields if name.startswith("mllp_")}
    named = set(ProfileDocument.model_fields) | settings - {"MLLP_HOST"}
    assert {name for name in named if f"`{name}`" not in PAGE and f"{name}=" not in PAGE} == set()


def test_every_address_exists():
    """Each path of the page is one that the application serves."""
    served = {re.sub(r"\{\w+\}", "{id}", path) for path in openapi_document()["paths"]}
    table = PAGE.partition("## Which door")[2].partition("## What to do")[0]
    named = set(re.findall(r"`(?:POST )?(/api/v1/[^`?]+)", table))
    named = {path.replace("NCT07212335", "{id}") for path in named}
    assert len(named) == 4
    assert {path for path in named if path not in served} == set()

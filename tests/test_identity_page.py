"""docs/identity.md stays true: its commands work, its scopes and settings exist."""

import json
import re
import shlex
import shutil
import subprocess
import sys

import pytest

from app.core import jose, tokens
from app.core.config import Settings
from app.core.issuer_keys import REFRESH_SECONDS, SOONEST_SECONDS
from app.main import openapi_document
from app.routers.scopes import SCOPES
from tests.test_cli import ROOT, environment, serving

PAGE = (ROOT / "docs" / "identity.md").read_text(encoding="utf-8")


@pytest.mark.skipif(shutil.which("curl") is None, reason="the page asks with curl")
def test_the_commands_answer_as_the_page_says(empty_url, tmp_path):
    """Pasted into a shell: a key of one's own, a token, a message, and what became of it."""
    (script,) = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    settings = {
        "DATABASE_URL": empty_url,
        "DATA_DIR": str(tmp_path),
        "PUBLIC_URL": "http://127.0.0.1:8000",
    }
    with serving(**settings) as (address, _):
        python = shlex.quote(sys.executable)
        script = script.replace("API=http://127.0.0.1:8000", f"API={address}")
        script = script.replace(".venv/bin/python", python)
        script = script.replace(".venv/bin/msc-icaht", f"{python} -m app.cli")
        pasted = subprocess.run(
            ["bash", "-eu", "-c", script],
            cwd=tmp_path,
            env=environment(**settings, PYTHONPATH=str(ROOT)),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
    assert pasted.returncode == 0, pasted.stderr
    *_, last = pasted.stdout.splitlines()
    assert "MSA|AA|MSG-0001|Stored as" in pasted.stdout
    found = json.loads(last)
    assert (found["results"], found["inbox"], found["control_id"]) == (1, 1, "MSG-0001")
    assert found["items"][0]["reasons"] == ["unknown_patient"]


def test_every_scope_is_on_the_page_and_no_other():
    """The table of scopes is the one of the code."""
    table = PAGE.partition("| scope | allows |")[2].partition("\n\n")[0]
    assert set(re.findall(r"^\| `([^`]+)`", table, re.MULTILINE)) == set(SCOPES)


def test_every_setting_and_address_exists():
    """What the page names in capitals is a setting, and each address is offered."""
    names = set(re.findall(r"`([A-Z]+(?:_[A-Z]+)+)`", PAGE))
    assert {name for name in names if name.lower() not in Settings.model_fields} == set()
    paths = openapi_document()["paths"]
    named = set(re.findall(r"`(?:GET|POST|PATCH) (/[a-z0-9/{}_-]+)", PAGE))
    offered = {re.sub(r"{\w+}", "{}", path).removeprefix("/api/v1") for path in paths}
    asked = {re.sub(r"{\w+}", "{}", path).removeprefix("/api/v1") for path in named}
    assert {path for path in asked - offered if not path.startswith("/development")} == set()


def test_the_figures_are_those_of_the_code():
    """Lifetimes, sizes and algorithms."""
    figures = (
        f"`TOKEN_MAX_SECONDS` ({Settings.model_fields['token_max_seconds'].default})",
        f"at most {jose.LONGEST} characters",
        f"differ by {int(tokens.LEEWAY.total_seconds())} seconds",
        f"RSA of {jose.SMALLEST_RSA_BITS} bits",
        f"`{Settings.model_fields['signing_acr'].default}`",
        *(f"`{name}`" for name in jose.ALGORITHMS),
    )
    assert [figure for figure in figures if figure not in PAGE] == []
    assert (REFRESH_SECONDS, SOONEST_SECONDS) == (300, 60)

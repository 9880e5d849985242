"""The README's walk works when it is pasted."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from app.main import openapi_document
from tests.test_cli import environment, serving

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.skipif(shutil.which("curl") is None, reason="the walk asks with curl")
def test_the_walk_answers_as_it_says(empty_url, tmp_path):
    """Every request of the walk gets the answer that its comment promises."""
    walk = README.partition("## A walk")[2].partition("```sh\n")[2].partition("```")[0]
    settings = {"DATABASE_URL": empty_url, "DATA_DIR": str(tmp_path)}
    with serving(**settings) as (address, _):
        script = walk.replace("http://127.0.0.1:8000", address)
        script = script.replace(".venv/bin/msc-icaht", f"{shlex.quote(sys.executable)} -m app.cli")
        pasted = subprocess.run(
            ["bash", "-eu", "-c", script],
            cwd=ROOT,
            env=environment(**settings),
            capture_output=True,
            text=True,
            check=False,
        )
    assert pasted.returncode == 0, pasted.stderr
    answers = [json.loads(line) for line in pasted.stdout.splitlines()]
    subject, result, eligibility, refusal, ladder, grade, dose, trail = answers
    assert subject["number"] == "S-001"
    assert [item["grade"] for item in result["grades"]] == [3]
    assert {item["id"]: item["outcome"] for item in eligibility["criteria"]}["I4"] == "met"
    assert (refusal["status"], refusal["errors"] != []) == (409, True)
    assert (ladder["recommendation"], ladder["slots_open_now"]) == ("enrol", 3)
    assert grade["results"][0]["grade"] == 2
    assert dose["per_infusion"]["cells"] == 121_000_000
    assert [item["command"] for item in trail["items"]] == ["create_subject"]


def test_the_roles_use_paths_that_exist():
    """Each path of the table of roles is one that the application serves."""
    table = README.partition("## Who uses what")[2].partition("## A walk")[0]
    named = re.findall(r"`(?:POST )?(?:\.\.\.)?(/[^`]+)`", table)
    served = [re.sub(r"\{\w+\}", "{}", path) + "/" for path in openapi_document()["paths"]]
    wanted = {re.sub(r"\{\w+\}", "{}", path).removesuffix("...").rstrip("/") for path in named}
    wanted.discard("/api/v1/studies/NCT07212335")
    assert len(wanted) > 10
    assert [path for path in wanted if not any(f"{path}/" in each for each in served)] == []


def test_the_readme_names_only_files_that_exist():
    """A link into the repository leads somewhere."""
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []

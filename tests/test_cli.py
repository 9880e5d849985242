"""The commands, as an operator runs them: a process, its exit status and its sentences."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from app.cli import main
from app.core.database import Database
from app.core.development_issuer import DevelopmentIssuer
from app.main import openapi_document
from tests.conftest import STUDY

pytestmark = pytest.mark.usefixtures("handlers")
ROOT = Path(__file__).parents[1]
PRODUCTION = {
    "ENVIRONMENT": "production",
    "TOKEN_ISSUER": "https://id.hospital.example",
    "TOKEN_JWKS": "keys.json",
    "IDENTITY_KEY": "1f2e3d4c5b6a79880123456789abcdef" * 2,
}
GRANT = (
    "grant", "--study", STUDY, "--role", "administrator", "--issuer", "https://id.example",
    "--subject", "8f3c", "--name", "Dr. Example", "--organisation", "Example Hospital",
)  # fmt: skip


def environment(**settings: str) -> dict[str, str]:
    """The environment of a command: this one's, without what configures the service."""
    ours = {
        "DATABASE_URL", "DATA_DIR", "ENVIRONMENT", "HOST", "IDENTITY_KEY", "OWNER_DATABASE_URL",
        "PORT", "TOKEN_ISSUER", "TOKEN_JWKS",
    }  # fmt: skip
    return {name: value for name, value in os.environ.items() if name not in ours} | settings


def run(*arguments: str, limit: float = 60, **settings: str) -> subprocess.CompletedProcess:
    """Run a command to its end, which comes within so many seconds."""
    return subprocess.run(
        [sys.executable, "-m", "app.cli", *arguments],
        cwd=ROOT,
        env=environment(**settings),
        capture_output=True,
        text=True,
        timeout=limit,
        check=False,
    )


def as_api(url: str) -> str:
    """Return the URL under which the service is to work."""
    return make_url(url).set(username="msc_icaht_api").render_as_string(hide_password=False)


@contextmanager
def serving(stop: signal.Signals = signal.SIGTERM, **settings: str):
    """Serve on a free port; give the address and the words of the welcome; stop cleanly."""
    process = subprocess.Popen(
        [sys.executable, "-m", "app.cli", "serve"],
        cwd=ROOT,
        env=environment(PORT="0", **settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    errors = []
    reader = threading.Thread(target=lambda: errors.append(process.stderr.read()))
    reader.start()
    try:
        welcome = []
        while line := process.stdout.readline():
            welcome.append(line)
            if line.startswith("Stop with"):
                break
        assert welcome, "it did not start"
        yield next(word for word in welcome[0].split() if word.startswith("http")), "".join(welcome)
    finally:
        process.send_signal(stop)
        status = process.wait(60)
        reader.join()
        process.stdout.close()
        process.stderr.close()
    assert status == 0, errors


def count(url: str, table: str) -> int:
    """Count the rows of a table."""

    async def read() -> int:
        database = Database(url, pool_size=1, role=None)
        async with database.engine.connect() as connection:
            found = await connection.scalar(text(f"SELECT count(*) FROM {table}"))
        await database.close()
        return found

    return asyncio.run(read())


def test_a_first_start_embeds_postgres_and_leaves_nothing_running(tmp_path):
    """From an empty folder to an answer with a token, and back to no process at all."""
    folder = tmp_path / "with space"
    with serving(DATA_DIR=str(folder), stop=signal.SIGINT) as (address, welcome):
        assert "token --role principal_investigator" in welcome
        assert f"DATA_DIR='{folder}'" in welcome
        noted = (folder / "postgres" / "cluster" / "postmaster.pid").read_text().splitlines()
        token = run("token", "--role", "principal_investigator", DATA_DIR=str(folder))
        headers = {"Authorization": f"Bearer {token.stdout.strip()}"}
        answer = httpx.get(f"{address}/api/v1/studies/{STUDY}/protocol", headers=headers)
        assert answer.status_code == 200, answer.text
        assert "server" not in answer.headers
        assert httpx.get(f"{address}/docs").status_code == 200
        assert httpx.get(f"{address}/readyz").json() == {"status": "ready", "reasons": []}
    with pytest.raises(ProcessLookupError):
        os.kill(int(noted[0]), 0)


def test_a_given_database_is_used_and_loaded_once(empty_url, tmp_path):
    """With DATABASE_URL nothing is embedded; a second start loads no second study."""
    settings = {"DATABASE_URL": empty_url, "DATA_DIR": str(tmp_path)}
    for _ in range(2):
        with serving(**settings) as (address, _):
            assert httpx.get(f"{address}/readyz").status_code == 200
    assert count(empty_url, "study") == 1
    assert count(empty_url, "principal") == 12
    assert not (tmp_path / "postgres").exists()


def test_a_taken_port_is_one_sentence(tmp_path):
    """The port is tried first, so that nothing is started when it is taken."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = run("serve", PORT=str(port), DATA_DIR=str(tmp_path))
    assert ended.returncode == 1
    assert f"Port {port}" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_production_names_everything_that_is_missing():
    """Without a database, an issuer and a key production does not start, and says all at once."""
    ended = run("serve", ENVIRONMENT="production")
    assert ended.returncode == 1
    for name in ("DATABASE_URL", "TOKEN_ISSUER", "TOKEN_JWKS", "IDENTITY_KEY"):
        assert name in ended.stderr


@pytest.mark.parametrize("name", ["PORT", "IDENTITY_KEY"])
def test_a_wrong_setting_is_named_without_its_value(name):
    """A message repeats the setting's name, never what was given: a URL holds a password."""
    ended = run("serve", **{name: "planted"})
    assert ended.returncode == 1
    assert name in ended.stderr
    assert "planted" not in ended.stderr


def test_production_issues_no_token(monkeypatch, capsys):
    """In production tokens come from the identity provider."""
    for name, value in (PRODUCTION | {"DATABASE_URL": "postgresql://db/name"}).items():
        monkeypatch.setenv(name, value)
    assert main(["token", "--role", "auditor"]) == 1
    assert capsys.readouterr().out == ""


def test_a_password_is_a_persons_own(tmp_path, monkeypatch, capsys):
    """It is the issuer's of the data directory, and production has none."""
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    assert main(["password", "--role", "monitor"]) == 1
    assert "No service was started" in capsys.readouterr().err
    issuer = DevelopmentIssuer(tmp_path, "msc-icaht")
    assert main(["password", "--role", "monitor"]) == 0
    assert capsys.readouterr().out.strip() == issuer.password("monitor")
    for name, value in (PRODUCTION | {"DATABASE_URL": "postgresql://db/name"}).items():
        monkeypatch.setenv(name, value)
    assert main(["password", "--role", "monitor"]) == 1
    assert capsys.readouterr().out == ""


def test_production_serves_with_the_keys_of_its_issuer(empty_url, tmp_path):
    """With a migrated database and a key set in a file production starts, with nobody in it."""
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "A" * 43}]}))
    settings = PRODUCTION | {
        "DATABASE_URL": as_api(empty_url),
        "OWNER_DATABASE_URL": empty_url,
        "TOKEN_JWKS": str(keys),
    }
    run("migrate", **settings)
    with serving(**settings) as (address, welcome):
        assert "token" not in welcome
        assert httpx.get(f"{address}/readyz").status_code == 200
    assert count(empty_url, "study") == 0


def test_production_does_not_serve_as_the_owner(empty_url, tmp_path):
    """Who logs in as the owner of the tables could take the guards away; the reason is told."""
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "A" * 43}]}))
    settings = PRODUCTION | {"DATABASE_URL": empty_url, "TOKEN_JWKS": str(keys)}
    run("migrate", **settings)
    ended = run("serve", **settings)
    assert ended.returncode == 1
    assert "let DATABASE_URL log in as msc_icaht_api" in ended.stderr


def test_only_the_committee_has_a_second_person(capsys):
    """A second token exists for the committee's second signature and for nobody else."""
    assert main(["token", "--role", "monitor", "--second"]) == 1
    assert "safety_committee" in capsys.readouterr().err


@pytest.mark.parametrize("hours", ["0", "8785", "nan", "ten"])
def test_a_token_lives_from_an_hour_to_a_year(hours, capsys):
    """A lifetime out of bounds is refused with the bounds or the word that is no number."""
    with pytest.raises(SystemExit, match="2"):
        main(["token", "--role", "monitor", "--hours", hours])
    assert "--hours" in capsys.readouterr().err


def test_a_grant_is_given_once(empty_url, monkeypatch, capsys):
    """The command lets the first person in; the same command again changes nothing."""
    monkeypatch.setenv("DATABASE_URL", empty_url)
    assert main(["migrate"]) == 0
    assert main(GRANT) == 0
    assert main(GRANT) == 0
    assert capsys.readouterr().out.splitlines()[1:] == [
        "Granted.",
        "This person holds the role already; nothing was changed.",
    ]
    assert count(empty_url, "role_grant") == 1


def test_the_openapi_document_is_written_without_a_database(tmp_path):
    """The command writes the served document to a file, making its folder."""
    path = tmp_path / "new" / "openapi.json"
    assert main(["openapi", "--output", str(path)]) == 0
    assert json.loads(path.read_text(encoding="utf-8")) == openapi_document()


def test_a_demonstration_needs_a_service(monkeypatch, tmp_path, capsys):
    """Without a service the demonstration says how to start one."""
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    assert main(["demo", "--url", "http://127.0.0.1:1"]) == 1
    assert "make run" in capsys.readouterr().err


def test_a_token_needs_the_key_of_a_service(tmp_path, monkeypatch, capsys):
    """Where no service was started there is no key, and a new one would fit none."""
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    assert main(["token", "--role", "monitor"]) == 1
    assert "set DATA_DIR" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []

"""What is counted and logged of each request: templates and words of the code only."""

import json

import pytest

from app.core.ids import new_id
from app.core.telemetry import Process, registry_of
from app.domain.vocabulary import Role
from app.routers import BASE, ROUTERS
from app.routers.middleware import UNMATCHED
from tests.conftest import MACHINES, TOKEN_LIFETIME
from tests.factories.subjects import register
from tests.promises.test_P26_no_identity_in_sinks import logs

__all__ = ["logs"]
SHOWN = registry_of(Process.API)
SUBJECT = f"{BASE}/studies/{{study}}/subjects/{{subject_id}}"


def counted(method: str, route: str, status: int) -> float:
    """Return how many requests were counted."""
    labels = {"method": method, "route": route, "status": str(status)}
    return SHOWN.get_sample_value("msc_icaht_requests_total", labels) or 0


def requests(written: str) -> list[dict]:
    """Return the lines of requests."""
    lines = [json.loads(line) for line in written.splitlines()]
    return [line for line in lines if line["event"] == "request"]


async def test_a_route_is_its_template_with_the_prefix(api, logs):
    """As the caller knows it, and never with an id."""
    subject_id, before = await register(api), counted("GET", SUBJECT, 200)
    assert (await api(Role.AUDITOR).get(f"/subjects/{subject_id}")).status_code == 200
    assert counted("GET", SUBJECT, 200) == before + 1
    line = requests(logs())[-1]
    assert (line["route"], line["method"], line["status"]) == (SUBJECT, "GET", 200)
    assert subject_id not in logs().splitlines()[-1]


async def test_every_template_has_the_prefix_of_its_router(app, api, monkeypatch):
    """Whatever route is found, its label is the path of the API's document."""
    seen = []
    monkeypatch.setattr("app.routers.middleware.log.info", lambda *_, **line: seen.append(line))
    documented = app.openapi()["paths"]
    client = api(Role.AUDITOR)
    for path, (method, *_) in documented.items():
        await client.request(method, "http://test" + path.replace("{", "").replace("}", ""))
    routes = {line["route"] for line in seen if "route" in line}
    assert routes == set(documented)
    own = {r.path for prefix, router in ROUTERS if prefix for r in router.routes}
    assert not own & routes


@pytest.mark.parametrize(
    ("method", "path", "labels"),
    [
        ("GET", "/zhang/wei", ("ANY", UNMATCHED, 404)),
        ("ZHANGWEI", "/zhang/wei", ("ANY", UNMATCHED, 404)),
        ("ZHANGWEI", "/livez", ("OTHER", "/livez", 405)),
        ("DELETE", "/livez", ("DELETE", "/livez", 405)),
    ],
)
async def test_nobodys_own_words_become_a_label(api, logs, method, path, labels):
    """Neither the path nor the method that somebody thought of."""
    before = counted(*labels)
    await api(Role.AUDITOR).request(method, f"http://test{path}")
    assert counted(*labels) == before + 1
    assert "zhang" not in logs().lower()


@pytest.fixture
def read_by(api):
    """Read the metrics with a token, or whatever stands there for one."""

    async def read(token: str) -> int:
        headers = {"Authorization": f"Bearer {token}"}
        answer = await api(None).get("http://test/metrics", headers=headers)
        assert ("msc_icaht_" in answer.text) == (answer.status_code == 200)
        return answer.status_code

    return read


async def test_people_read_the_metrics_by_any_valid_token(api, read_by, issuer, clock):
    """Of whatever role, or none; without a token nothing is shown."""
    for role in Role:
        assert (await api(role).get("http://test/metrics")).status_code == 200
    assert await read_by(issuer.token("nobody-here", clock(), TOKEN_LIFETIME)) == 200
    assert await read_by("none") == 401
    assert (await api(None).get("http://test/metrics")).status_code == 401


@pytest.mark.parametrize(
    ("scopes", "status"), [(["metrics:read"], 200), (["labs:create"], 403), ([], 403)]
)
async def test_machines_read_the_metrics_by_their_scope(read_by, clock, scopes, status):
    """A laboratory that may send results does not see how the service does."""
    assert await read_by(MACHINES.token(new_id(), scopes, clock())) == status

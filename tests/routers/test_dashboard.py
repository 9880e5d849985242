"""The files of the page: open to anybody, kept from nobody's cache, and nothing else is served."""

import json
import re

import pytest

from app.dashboard import PAGE, read_files
from app.main import openapi_document

ADDRESS = "http://test/dashboard"


async def test_the_page_is_open_and_holds_nothing(api):
    """Without a token: the page, its policy, its type, and no caching without asking."""
    answer = await api(None).get(ADDRESS)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    policy = dict(part.strip().split(" ", 1) for part in
                  answer.headers["content-security-policy"].split(";"))  # fmt: skip
    nobody = ("default-src", "base-uri", "form-action", "frame-ancestors")
    assert [policy[name] for name in nobody] == ["'none'"] * len(nobody)
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["img-src"] == "'self' blob:"


async def test_every_file_has_its_type(api):
    """Whatever the page and its scripts name is there, as what it is."""
    types = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg"}
    for name in read_files():
        answer = await api(None).get(f"{ADDRESS}/{name}")
        assert answer.headers["content-type"].startswith(types[name.rpartition(".")[2]])
    texts = {name: file.content.decode() for name, file in read_files().items()}
    named = set(re.findall(r'(?:src|href)="dashboard/([\w.]+)"', texts[PAGE]))
    named |= {each for text in texts.values() for each in re.findall(r'from "\./([\w.]+)"', text)}
    assert len(named) > 5
    assert named <= set(texts)
    assert set(texts) == named | {PAGE}


async def test_who_has_the_file_gets_it_no_second_time(api):
    """The strong ETag of the bytes; 304 has no body and keeps the policy."""
    first = await api(None).get(ADDRESS)
    again = await api(None).get(ADDRESS, headers={"If-None-Match": f'"x", {first.headers["etag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    for name in ("etag", "content-security-policy", "cache-control"):
        assert again.headers[name] == first.headers[name]
    other = await api(None).get(ADDRESS, headers={"If-None-Match": '"x"'})
    assert (other.status_code, other.content) == (200, first.content)


async def test_a_tag_that_a_proxy_weakened_is_known(api):
    """Who compresses makes a weak tag of it; reading compares weakly (RFC 9110, 13.1.2)."""
    first = await api(None).get(ADDRESS)
    again = await api(None).get(ADDRESS, headers={"If-None-Match": f"W/{first.headers['etag']}"})
    assert (again.status_code, again.content) == (304, b"")


async def test_the_page_can_be_asked_for_without_its_content(api):
    """HEAD has the headers of GET and no body."""
    for name in ("", "/dashboard.js"):
        there = await api(None).get(f"{ADDRESS}{name}")
        asked = await api(None).head(f"{ADDRESS}{name}")
        assert (asked.status_code, asked.content) == (200, b"")
        for header in ("etag", "content-type", "content-length"):
            assert asked.headers[header] == there.headers[header]


async def test_a_slash_at_the_end_leads_to_the_page(api):
    """Relative to where it was asked, so that a proxy's own path stays; the query stays too."""
    answer = await api(None).get(f"{ADDRESS}/?study=NCT07212335")
    assert (answer.status_code, answer.headers["location"]) == (
        308,
        "../dashboard?study=NCT07212335",
    )
    assert "default-src" in answer.headers["content-security-policy"]


@pytest.mark.parametrize("name", ["none.js", "__init__.py", "..%2F__init__.py", "%2e%2e/main.py"])
async def test_nothing_else_is_served(api, name):
    """Neither the module beside the files nor anything above them."""
    answer = await api(None).get(f"{ADDRESS}/{name}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_the_page_names_no_other_host():
    """No address but the service's own is in any file, but the names of SVG's vocabulary."""
    vocabulary = "http://www.w3.org/2000/svg"
    for name, file in read_files().items():
        assert "//" not in re.sub(
            r"(?m)(^|\s)//.*$", "", file.content.decode().replace(vocabulary, "")
        ), name


def test_the_page_is_no_operation():
    """The document of the API describes what machines ask for, and the page is not that."""
    assert "/dashboard" not in json.dumps(openapi_document()["paths"])

"""Bodies that are not JSON, to send at random: documented examples with slips, and any bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import schemathesis
from hypothesis import strategies as st

from tests.contract.aimed_requests import bodies, examples_of

# What separates the parts of HL7 v2 and of CSV, and what stands in them at odd times.
SEPARATORS = ("\r", "\n", "|", "^", "~", ",", '"')
ODD = (
    "", " ", "0", "-1", "1E5", "1,2", "<5", ">=", "1e999", "\x00", "\ud7ff", "\\X41\\", "\\", "&",
    "\x0b", "\x1c\r", '"', "=1+1", "20260601", "20269999", "9999-12-31T23:59:59+14:00", "MSH|",
    "OBX|1|NM", "S-002", "PLT", "C", "W", "X", "T", "2.9", "GB18030", "9" * 400,
)  # fmt: skip
CODECS = ("utf-8", "gb18030", "utf-16", "latin-1", "cp1252")


@st.composite
def _with_slips(draw: st.DrawFn, example: str) -> bytes:
    """Draw a text like the example, with up to four parts changed, repeated or left out."""
    separator = draw(st.sampled_from(SEPARATORS))
    parts = example.split(separator)
    for _ in range(draw(st.integers(0, 4))):
        place = draw(st.integers(0, len(parts) - 1))
        odd = draw(st.sampled_from(ODD) | st.text(max_size=12))
        parts[place : place + 1] = draw(st.sampled_from([[odd], [], [parts[place]] * 2])) or [""]
    text = separator.join(parts)
    return text.encode(draw(st.sampled_from(CODECS)), "replace")


def _as_text(example: str | Mapping[str, str]) -> str:
    """Return an example as it goes over the wire; that of a form is shown as an object."""
    return example if isinstance(example, str) else urlencode(example)


def register(document: Mapping[str, Any]) -> None:
    """Let schemathesis send these for every media type in the document that is not JSON."""
    found: dict[str, set[str]] = {}
    for operations in document["paths"].values():
        for operation in operations.values():
            for kind, body in bodies(operation).items():
                if not kind.endswith("json"):
                    written = map(_as_text, examples_of(document, body))
                    found.setdefault(kind, set()).update(written)
    for kind, examples in found.items():
        like_examples = st.one_of(*(_with_slips(example) for example in sorted(examples)))
        schemathesis.openapi.media_type(kind, like_examples | st.binary(max_size=200))

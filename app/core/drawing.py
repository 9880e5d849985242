"""The program that draws: one specification a line comes in, one SVG a line goes out.

It runs as a process of its own, because the library brings a JavaScript engine with it, which is to
have neither the service's memory nor anything to load: no address and no file.
"""

from __future__ import annotations

import json
import re
import signal
import sys
from typing import Any, TextIO

VERSION = "6.4"
# The library ends with the process on one of these.
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def main(source: TextIO, sink: TextIO) -> None:
    """Draw each line until there are no more; answer with the picture or with what is wrong."""
    # Whoever stops the service by hand stops this with it: at the end of the lines.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for line in source:
        sink.write(json.dumps(draw(line)) + "\n")
        sink.flush()


def draw(line: str) -> dict[str, str]:
    """Return the `svg` of a Vega-Lite specification, or the `error` that it has."""
    import vl_convert  # noqa: PLC0415 - only where it draws

    try:
        specification = json.loads(line)
        refuse_undrawable(specification)
        svg = vl_convert.vegalite_to_svg(specification, vl_version=VERSION, allowed_base_urls=[])
    except ValueError as error:
        return {"error": str(error)}
    return {"svg": svg}


def refuse_undrawable(part: Any) -> None:
    """Raise ValueError if any part of a specification cannot be in an SVG of ours.

    That is something to load, a file included, and a character that XML has none for.
    """
    if isinstance(part, str) and _NO_XML.search(part):
        raise ValueError("A picture has only characters that XML has.")
    if isinstance(part, dict):
        if "url" in part or "href" in part:
            raise ValueError("A picture brings all of its data with it and loads nothing.")
        part = list(part.values())
    if isinstance(part, list):
        for each in part:
            refuse_undrawable(each)


if __name__ == "__main__":
    main(sys.stdin, sys.stdout)

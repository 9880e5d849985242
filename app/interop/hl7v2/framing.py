"""Finds the messages in what came in, without decoding it, and counts segments the plain way.

Everything here works on line starts. That is safe on bytes: no second byte of UTF-8, GB 18030 or a
single-byte charset is a line end, so what follows a line end begins anew. Nothing is shared with
the reader, so that a count made here is a second opinion on it.
"""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise

# MLLP's frame bytes end a line too: a captured file can still hold them.
_HEADER = re.compile(rb"(?:\A|[\r\n\x0b\x1c])[ \t]*(?:\xef\xbb\xbf)?(?=MSH)")
_LINE_END = re.compile(rb"[\r\n\x0b\x1c]")


def messages_in(raw: bytes) -> list[bytes]:
    """Cut a batch before each MSH that uses the first one's field separator; joined, it is `raw`.

    Empty when there is no MSH at the start of a line. What precedes the first message, such as a
    batch's envelope, stays with it.
    """
    starts = [found.end() for found in _HEADER.finditer(raw)]
    if not starts:
        return []
    opening = raw[starts[0] : starts[0] + 4]
    cuts = [0, *(at for at in starts[1:] if raw.startswith(opening, at)), len(raw)]
    return [raw[begin:end] for begin, end in pairwise(cuts)]


def header_line(message: bytes) -> bytes:
    """Give the bytes of the MSH segment, to the end of its line; empty when there is none."""
    found = _HEADER.search(message)
    return _LINE_END.split(message[found.end() :], maxsplit=1)[0] if found else b""


def plain_count(text: str, separator: str = "|") -> Counter[str]:
    """Count the segments that hold or group results (OBX, OBR, PID, SPM) by searching the text.

    What looks like one inside a line counts as well, because its line end may have been lost. Only
    the applications and facilities of the header are left out, as names can look like anything.
    """
    mark = re.escape(separator)
    names = re.compile(
        r"(?:\A|[\r\n\x0b\x1c])[ \t\ufeff]*(?i:(OBX|OBR|PID|SPM)(?![A-Z0-9]))"
        rf"|(OBX|OBR|(?<![A-Z]{{2}})PID){mark}\d*{mark}"
        rf"|(SPM){mark}\d+{mark}"
    )
    anonymous = re.sub(rf"MSH{mark}(?:[^{mark}\r\n]*{mark}){{0,5}}", "", text, count=1)
    return Counter((found[found.lastindex or 0]).upper() for found in names.finditer(anonymous))

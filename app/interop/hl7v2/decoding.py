"""Turns the bytes of one message into text by the charset that is set, declared or evident.

Decoding comes before splitting: in GB 18030 the second byte of a character can be a separator.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from app.interop.hl7v2.framing import header_line

FALLBACKS = ("utf-8", "gb18030", "iso-8859-1")

# HL7 table 0211, IANA names, and spellings seen; compared without case and punctuation. GB 18030
# reads its subsets too. UTF-16 and the names without a codec are missing: they count as failed.
_CODECS = {
    "ASCII": "ascii",
    "USASCII": "ascii",
    "ISOIR6": "ascii",
    "UNICODE": "utf-8",
    "UNICODEUTF8": "utf-8",
    "UTF8": "utf-8",
    "GB18030": "gb18030",
    "GB180302000": "gb18030",
    "GB180302005": "gb18030",
    "GB180302022": "gb18030",
    "GBK": "gb18030",
    "CP936": "gb18030",
    "GB2312": "gb18030",
    "GB23121980": "gb18030",
    "EUCCN": "gb18030",
    "BIG5": "cp950",
    "CP950": "cp950",
    "LATIN1": "iso-8859-1",
    "WINDOWS1252": "cp1252",
    "CP1252": "cp1252",
    **{f"8859{part}": f"iso-8859-{part}" for part in (*range(1, 10), 15)},
    **{f"ISO8859{part}": f"iso-8859-{part}" for part in (*range(1, 10), 15)},
}
_CHARSET_FIELD = 18
# Charsets in which the second byte of a character can be an ASCII one, and the part of each that
# is in common use.
_PAIRED = {"gb18030": "gb2312", "cp950": "big5"}
_HIGH = re.compile("[^\0-\x7f]")
# Ideographs, CJK punctuation, full-width forms, and the signs of units and of abnormal results.
_CHINESE = re.compile("[\u3000-\u303f\u3400-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]")
_SIGNS = "µμ°²³±×÷·αβγδκλωΩ‐–—‘’“”•…‰′″℃→←↑↓≈≠≤≥①②③④⑤ⅠⅡⅢⅣⅤ★☆○●◎□■△▲"


@dataclass(frozen=True, slots=True)
class Decoded:
    """The text, the codec that read it, and whether a charset was stated that could not."""

    text: str
    charset: str
    mismatch: bool


def codec_of(name: str) -> str | None:
    """Find the codec for a charset's name as HL7, HTTP or a sender spells it; None if unknown."""
    return _CODECS.get(re.sub(r"[^A-Z0-9]", "", name.upper()))


def decode(message: bytes, charset: str | None, declared: str | None) -> Decoded | None:
    """Read one message by the profile's `charset`, else as declared; None when nothing reads it.

    `declared` is the charset of the HTTP Content-Type, which wins over MSH-18. Where what is stated
    fails, UTF-8, GB 18030 and Latin-1 are tried in this order. What is called GB 18030 or Big5 but
    is UTF-8 is read as that, since the wrong reading swallows separators and digits; None as well
    where nothing tells which of both it is.
    """
    stated = [charset] if charset else [*([declared] if declared else []), *named_in(message)]
    tried = [codec_of(name) for name in stated]
    for codec in dict.fromkeys([*tried, *FALLBACKS]):
        text = _text(message, codec) if codec else None
        if codec and text is not None:
            decoded = Decoded(text, codec, mismatch=bool(tried) and codec != tried[0])
            return _confirmed(decoded, message)
    return None


def _confirmed(decoded: Decoded, message: bytes) -> Decoded | None:
    """Give what was decoded, or what it is instead; None where both could be and differ."""
    other = _text(message, "utf-8") if decoded.charset in _PAIRED else None
    if other is None or _is_common(decoded):
        return decoded
    if _is_chinese(other):
        return Decoded(other, "utf-8", mismatch=True)
    return decoded if _ascii_of(other) == _ascii_of(decoded.text) else None


def _is_common(decoded: Decoded) -> bool:
    """Tell whether all characters are in common use; then none of GB 18030 holds an ASCII byte."""
    try:
        decoded.text.encode(_PAIRED[decoded.charset])
    except UnicodeEncodeError:
        return False
    return _is_chinese(decoded.text) or decoded.text.isascii()


def _is_chinese(text: str) -> bool:
    """Tell whether what is not ASCII is ideographs, and nothing else but signs beside them."""
    high = set(_HIGH.findall(text))
    chinese = {sign for sign in high if _CHINESE.match(sign)}
    return bool(chinese) and high - chinese <= set(_SIGNS)


def _ascii_of(text: str) -> str:
    return _HIGH.sub("", text)


def named_in(message: bytes) -> list[str]:
    """Give the charsets named in MSH-18, read before the charset is known.

    A name with characters of two bytes before it can hide or feign a separator; the first reading
    by which MSH-18 names a charset is the right one.
    """
    line = header_line(message)
    for codec in FALLBACKS:
        names = _names(line.decode(codec, errors="replace"))
        if names and codec_of(names[0]):
            return names
    return _names(line.decode("ascii", errors="replace"))


def _names(header: str) -> list[str]:
    fields = header.split(header[3]) if len(header) > 3 else []
    field = fields[_CHARSET_FIELD - 1] if len(fields) >= _CHARSET_FIELD else ""
    repetition = fields[1][1:2] if field else ""
    names = field.split(repetition) if repetition else [field]
    return [name.strip() for name in names] if names[0].strip() else []


def _text(message: bytes, codec: str) -> str | None:
    try:
        text = message.removeprefix(codecs.BOM_UTF8).decode(codec)
    except UnicodeDecodeError:
        return None
    return text if _sensible(text, codec) else None


def _sensible(text: str, codec: str) -> bool:
    """Tell text from bytes of another charset: no NUL, no control characters of Latin-1."""
    if "\0" in text:
        return False
    return not codec.startswith("iso-8859") or re.search("[\x80-\x9f]", text) is None


def plain_text(message: bytes) -> str:
    """Give text to count segments in byte by byte; UTF-16 loses its empty bytes."""
    return message.replace(b"\0", b"").decode("iso-8859-1")

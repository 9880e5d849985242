"""Numbers as laboratories write them, read exactly; a comma means what the sender's profile says.

Without a word of the profile `1,234` may be one thousand or one and a bit, so nobody guesses.
"""

from __future__ import annotations

import re
from decimal import Decimal

from app.domain.errors import invalid
from app.domain.inbound import InboxReason
from app.domain.sender_profile import SenderProfile

# Longer texts are no measured number; the limit bounds the work on whatever arrives.
LONGEST = 64
_NUMBER = re.compile(
    r"""
    (?P<sign>[+-]?)
    (?P<digits>[0-9.,]*[0-9][0-9.,]*)
    (?:[eE](?P<exponent>[+-]?[0-9]{1,3})
      |[ ]*[xX×*][ ]*10(?:(?:\^|\*\*)(?P<power>[+-]?[0-9]{1,2})|(?P<raised>⁻?[⁰¹²³⁴-⁹]{1,2}))
    )?
    """,
    re.VERBOSE,
)
_RAISED = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
_DOTTED = re.compile(r"[0-9]+\.?[0-9]*|\.[0-9]+")
_DECIMAL_COMMA = re.compile(r"[0-9]*,[0-9]+")
_COMMA_GROUPS = re.compile(r"[1-9][0-9]{0,2}(?:,[0-9]{3})+(?:\.[0-9]*)?")
_DOT_GROUPS = re.compile(r"[1-9][0-9]{0,2}(?:\.[0-9]{3})+")


def read_number(text: str, profile: SenderProfile) -> Decimal | None:
    """Read a number from plain text, None if it is none; raise invalid `ambiguous_number`."""
    found = _NUMBER.fullmatch(text) if len(text) <= LONGEST else None
    digits = _with_point(found["digits"], profile) if found else None
    if found is None or digits is None:
        return None
    power = found["exponent"] or found["power"] or (found["raised"] or "").translate(_RAISED)
    number = Decimal(f"{found['sign']}{digits}e{power or 0}")
    # A zero has no sign in the database.
    return number or abs(number)


def _with_point(digits: str, profile: SenderProfile) -> str | None:
    """Return digits with the decimal point where the sender means it, None if they are no number.

    A profile that knows both commas, or digits that fit neither, leave the number open.
    """
    if "," not in digits:
        if profile.decimal_comma and _DOT_GROUPS.fullmatch(digits):
            raise _ambiguous()
        return digits if _DOTTED.fullmatch(digits) else None
    if profile.decimal_comma == profile.thousands_comma:
        raise _ambiguous()
    if profile.decimal_comma and _DECIMAL_COMMA.fullmatch(digits):
        return digits.replace(",", ".")
    if profile.thousands_comma and _COMMA_GROUPS.fullmatch(digits):
        return digits.replace(",", "")
    raise _ambiguous()


def _ambiguous() -> Exception:
    return invalid(
        InboxReason.AMBIGUOUS_NUMBER,
        "The number has a comma or dots whose meaning the sender's profile does not tell.",
    )

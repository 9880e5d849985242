"""Who development's fixture people are in their tokens; known without a database driver."""

from __future__ import annotations

from app.domain.vocabulary import Role


def fixture_subject(role: Role, second: bool = False) -> str:
    """Return the token subject of a role's fixture person."""
    return f"{role.value}-2" if second else role.value

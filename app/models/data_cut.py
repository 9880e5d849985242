"""Data cuts: a past moment of a study, with the digests by which its content is known again."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint
from sqlalchemy.orm import Mapped

from app.models.base import Fact, scoped


class DataCut(Fact):
    """A moment somebody works from; the content is never stored, it is derived again.

    `digest` is the SHA-256 of the content's `size` bytes, `records_digest` that of the records in
    it alone. `shape` names the tables and columns of then, so that later ones do not move a cut.
    """

    __tablename__ = "data_cut"
    __table_args__ = (*scoped(), CheckConstraint("size > 0", name="size"))

    name: Mapped[str]
    purpose: Mapped[str]
    as_of: Mapped[datetime]
    shape: Mapped[dict[str, Any]]
    records_digest: Mapped[str]
    digest: Mapped[str]
    size: Mapped[int]

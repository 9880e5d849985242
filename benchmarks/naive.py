"""The comparison: the same results stored as tutorials do it, with FastAPI and the ORM.

A session for each request, the unit of work, Pydantic models in and out. It writes the table of
limits.py, whose trigger audits it. It has no authentication, no roles, no idempotency key, no
conversion and no check of what cannot be, so it does far less than the service. Run by uvicorn on
DATABASE_URL and PORT.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from datetime import datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID

import uvicorn
from fastapi import Depends, FastAPI
from pydantic import BaseModel, ConfigDict
from sqlalchemy import DateTime, text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from app.core.database import async_url
from app.core.ids import new_id
from benchmarks.limits import STUDY_ID


class Base(DeclarativeBase):
    """The base of the one table."""


class Result(Base):
    """A laboratory result."""

    __tablename__ = "conventional"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    study_id: Mapped[UUID] = mapped_column(default=UUID(STUDY_ID))
    subject_id: Mapped[UUID]
    result_id: Mapped[UUID] = mapped_column(default=new_id)
    version: Mapped[int] = mapped_column(default=1)
    source: Mapped[str]
    specimen: Mapped[str]
    accession: Mapped[str | None]
    analyte: Mapped[str]
    status: Mapped[str]
    collected_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    reported_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    value: Mapped[Decimal | None]
    unit: Mapped[str | None]
    lln: Mapped[Decimal | None]
    uln: Mapped[Decimal | None]
    recorded_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=text("clock_timestamp()")
    )


class ResultIn(BaseModel):
    """What is sent."""

    subject_id: UUID
    analyte: str
    value: Decimal
    unit: str
    lln: Decimal | None = None
    uln: Decimal | None = None
    collected_at: datetime
    reported_at: datetime | None = None
    accession: str
    source: str = "bench"
    status: str = "final"


class ResultsIn(BaseModel):
    """Many of them."""

    results: list[ResultIn]


class ResultOut(ResultIn):
    """What is answered."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    version: int
    recorded_at: datetime


app = FastAPI()
sessions = async_sessionmaker(
    create_async_engine(async_url(os.environ["DATABASE_URL"]), pool_size=8)
)


async def current_session() -> AsyncIterator[AsyncSession]:
    """Open a session for one request."""
    async with sessions() as session:
        yield session


Db = Annotated[AsyncSession, Depends(current_session)]


@app.get("/ready")
async def ready(db: Db) -> None:
    """Tell that the database answers."""
    await db.execute(text("SELECT 1"))


@app.post("/labs", status_code=201, response_model=ResultOut)
async def create_lab(body: ResultIn, db: Db) -> Result:
    """Store one result."""
    row = Result(**body.model_dump(), specimen=body.accession)
    db.add(row)
    await db.commit()
    await db.refresh(row)
    return row


@app.post("/labs/batch", status_code=201, response_model=list[ResultOut])
async def create_labs(body: ResultsIn, db: Db) -> list[Result]:
    """Store many results."""
    rows = [Result(**each.model_dump(), specimen=each.accession) for each in body.results]
    db.add_all(rows)
    await db.commit()
    for row in rows:
        await db.refresh(row)
    return rows


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ["PORT"]), log_level="warning")

"""The tables of the index; `migrations` makes them, and a test holds both together.

What people search by lies in terms (see `terms`): one table of them for studies, patients' attributes included, and one
for series. Each is looked up by key and text, and by pieces of text through an index of trigrams, which the migrations
make of whatever the database has for it.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    text,
)

REVISION = "0002"
"""The newest migration."""

# Compared and sorted by code point, as SQLite does, whatever the server's language.
Name = Text().with_variant(Text(collation="C"), "postgresql")
Identity = BigInteger().with_variant(Integer(), "sqlite")

metadata = MetaData()

patients = Table(
    "patients",
    metadata,
    Column("id", Identity, primary_key=True),
    Column("name", Name, nullable=False, unique=True),  # Patient ID and issuer; of a study without one, its own
    Column("attributes", Text, nullable=False),
)

studies = Table(
    "studies",
    metadata,
    Column("id", Identity, primary_key=True),
    Column("study_uid", Name, nullable=False, unique=True),
    Column("patient_id", Identity, ForeignKey("patients.id"), nullable=False, index=True),
    Column("moment", Name, nullable=False),  # date and time, by which studies are listed
    Column("attributes", Text, nullable=False),
    Index("studies_by_moment", "moment", "study_uid"),
)

series = Table(
    "series",
    metadata,
    Column("id", Identity, primary_key=True),
    Column("series_uid", Name, nullable=False, unique=True),
    Column("study_id", Identity, ForeignKey("studies.id"), nullable=False, index=True),
    Column("short_id", Name, nullable=False, index=True),
    Column("generation", Integer, nullable=False),  # 0 where all instances wait in the inbox
    Column("instances", Integer, nullable=False),  # of the generation, and so the next three
    Column("frames", Integer, nullable=False),
    Column("received_bytes", BigInteger, nullable=False),
    Column("archived_bytes", BigInteger, nullable=False),
    Column("number", BigInteger, nullable=False),  # by which series are listed
    Column("modality", Name, nullable=False),
    Column("sop_classes", Text, nullable=False),
    Column("speaker", Name, nullable=False),  # which waiting instance's attributes these are; "" for the generation's
    Column("attributes", Text, nullable=False),
)

instances = Table(
    "instances",
    metadata,
    Column("id", Identity, primary_key=True),
    Column("sop_uid", Name, nullable=False, unique=True),
    Column("series_id", Identity, ForeignKey("series.id"), nullable=False),
    Column("sop_class_uid", Name, nullable=False),
    Column("transfer_syntax_uid", Name, nullable=False),
    Column("number", BigInteger),
    Column("sha256", Name, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("generation", Integer, nullable=False),  # 0: in the inbox
    Column("received_at", Name, nullable=False),
    Column("source", Text, nullable=False),
    Column("attributes", Text, nullable=False),
    Index("instances_by_series", "series_id"),
    Index(
        "instances_waiting",
        "series_id",
        "received_at",
        sqlite_where=text("generation = 0"),
        postgresql_where=text("generation = 0"),
    ),
)

stacks = Table(
    "stacks",
    metadata,
    Column("series_id", Identity, ForeignKey("series.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("dtype", Text, nullable=False),
    Column("times", Integer, nullable=False),
    Column("slices", Integer, nullable=False),
    Column("levels", Integer, nullable=False),
    Column("summary", Text, nullable=False),
)


def _terms(name: str, owner: str) -> Table:
    return Table(
        name,
        metadata,
        Column("id", Identity, primary_key=True),
        Column("owner", Identity, ForeignKey(f"{owner}.id"), nullable=False, index=True),
        Column("key", Integer, nullable=False),
        Column("text", Name, nullable=False),
        Column("exact", Name, nullable=False),
        Index(f"{name}_by_text", "key", "text", "owner"),
    )


study_terms = _terms("study_terms", "studies")
series_terms = _terms("series_terms", "series")

"""Patients, studies, series, instances, stacks, and the terms by which they are found."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    is_server = op.get_bind().dialect.name == "postgresql"
    name = sa.Text(collation="C") if is_server else sa.Text()
    identity = sa.BigInteger() if is_server else sa.Integer()

    def column(label: str, kind: sa.types.TypeEngine[Any], *more: sa.ForeignKey) -> sa.Column[Any]:
        return sa.Column(label, kind, *more, nullable=False)

    op.create_table(
        "patients",
        sa.Column("id", identity, primary_key=True),
        sa.Column("name", name, nullable=False, unique=True),
        column("attributes", sa.Text()),
    )
    op.create_table(
        "studies",
        sa.Column("id", identity, primary_key=True),
        sa.Column("study_uid", name, nullable=False, unique=True),
        column("patient_id", identity, sa.ForeignKey("patients.id")),
        column("moment", name),
        column("attributes", sa.Text()),
    )
    op.create_index("ix_studies_patient_id", "studies", ["patient_id"])
    op.create_index("studies_by_moment", "studies", ["moment", "study_uid"])
    op.create_table(
        "series",
        sa.Column("id", identity, primary_key=True),
        sa.Column("series_uid", name, nullable=False, unique=True),
        column("study_id", identity, sa.ForeignKey("studies.id")),
        column("short_id", name),
        column("generation", sa.Integer()),
        column("instances", sa.Integer()),
        column("frames", sa.Integer()),
        column("received_bytes", sa.BigInteger()),
        column("archived_bytes", sa.BigInteger()),
        column("number", sa.BigInteger()),
        column("modality", name),
        column("sop_classes", sa.Text()),
        column("speaker", name),
        column("attributes", sa.Text()),
    )
    op.create_index("ix_series_study_id", "series", ["study_id"])
    op.create_index("ix_series_short_id", "series", ["short_id"])
    op.create_table(
        "instances",
        sa.Column("id", identity, primary_key=True),
        sa.Column("sop_uid", name, nullable=False, unique=True),
        column("series_id", identity, sa.ForeignKey("series.id")),
        column("sop_class_uid", name),
        column("transfer_syntax_uid", name),
        sa.Column("number", sa.BigInteger()),
        column("sha256", name),
        column("size_bytes", sa.BigInteger()),
        column("generation", sa.Integer()),
        column("received_at", name),
        column("source", sa.Text()),
        column("attributes", sa.Text()),
    )
    op.create_index("instances_by_series", "instances", ["series_id"])
    waiting = sa.text("generation = 0")
    op.create_index(
        "instances_waiting",
        "instances",
        ["series_id", "received_at"],
        sqlite_where=waiting,
        postgresql_where=waiting,
    )
    op.create_table(
        "stacks",
        sa.Column("series_id", identity, sa.ForeignKey("series.id"), primary_key=True),
        sa.Column("number", sa.Integer(), primary_key=True),
        *(column(label, sa.Text()) for label in ("name", "dtype")),
        *(column(label, sa.Integer()) for label in ("times", "slices", "levels")),
        column("summary", sa.Text()),
    )
    for table, owner in (("study_terms", "studies"), ("series_terms", "series")):
        op.create_table(
            table,
            sa.Column("id", identity, primary_key=True),
            column("owner", identity, sa.ForeignKey(f"{owner}.id")),
            column("key", sa.Integer()),
            column("text", name),
            column("exact", name),
        )
        op.create_index(f"ix_{table}_owner", table, ["owner"])
        op.create_index(f"{table}_by_text", table, ["key", "text", "owner"])

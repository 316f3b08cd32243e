"""The statements by which instances come, become a generation, or are asked for one by one: those that have no time."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Insert,
    Integer,
    Select,
    Table,
    Text,
    bindparam,
    delete,
    func,
    insert,
    literal_column,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import ARRAY

from .prepared import Prepared
from .schema import instances, patients, series, series_terms, stacks, studies, study_terms

_UID = bindparam("uid", type_=Text())
_OF = bindparam("of", type_=BigInteger())

_INBOX = literal_column("0", Integer())
"""The generation of what waits."""


def _names(table: Table, *without: str) -> list[str]:
    return [column.name for column in table.columns if column.name not in ("id", *without)]


def _held(dialect: str) -> Select[tuple[str, str, str]]:
    uids = bindparam("uids", type_=ARRAY(Text) if dialect == "postgresql" else Text())
    if dialect == "postgresql":
        among = instances.c.sop_uid == func.any(uids)
    else:
        among = instances.c.sop_uid.in_(select(literal_column("value")).select_from(func.json_each(uids)))
    joined = instances.join(series, instances.c.series_id == series.c.id)
    return select(instances.c.sop_uid, series.c.series_uid, instances.c.sha256).select_from(joined).where(among)


def _add_instances(dialect: str) -> Insert:
    if dialect == "postgresql":
        return postgresql.insert(instances).on_conflict_do_nothing()
    return sqlite.insert(instances).on_conflict_do_nothing()


HELD_INSTANCES = Prepared(_held)
"""(SOP Instance UID, Series Instance UID, SHA-256) of those of `uids`, an array or JSON, that are held."""
ADD_INSTANCES = Prepared(_add_instances, _names(instances))
"""One that is held stays as it is."""
WAITING_OF_SERIES = Prepared(
    select(instances.c.sop_uid, instances.c.sha256).where(
        instances.c.series_id == _OF, instances.c.generation == _INBOX
    )
)
CLASSES_OF_SERIES = Prepared(select(instances.c.sop_class_uid).where(instances.c.series_id == _OF).distinct())
DROP_ARCHIVED = Prepared(delete(instances).where(instances.c.series_id == _OF, instances.c.generation > _INBOX))

SERIES_NAMED = Prepared(
    select(series.c.id, series.c.study_id, series.c.generation, series.c.speaker, series.c.sop_classes).where(
        series.c.series_uid == _UID
    )
)
SERIES_IDENTITY = Prepared(
    select(studies.c.study_uid, series.c.attributes)
    .join(studies, series.c.study_id == studies.c.id)
    .where(series.c.series_uid == _UID)
)
SERIES_SAID = Prepared(select(series.c.attributes).where(series.c.id == _OF))
ADD_SERIES = Prepared(insert(series).returning(series.c.id), _names(series))
SET_SERIES_FIGURES = Prepared(
    update(series).where(series.c.id == _OF),
    ("generation", "instances", "frames", "received_bytes", "archived_bytes"),
)
SET_SERIES_SAID = Prepared(
    update(series).where(series.c.id == _OF), ("study_id", "speaker", "attributes", "number", "modality")
)
SET_SERIES_CLASSES = Prepared(update(series).where(series.c.id == _OF), ("sop_classes",))

ADD_STACKS = Prepared(insert(stacks).inline(), _names(stacks))
DROP_STACKS = Prepared(delete(stacks).where(stacks.c.series_id == _OF))

STUDY_NAMED = Prepared(select(studies.c.id).where(studies.c.study_uid == _UID))
STUDY_ROW = Prepared(select(studies.c.study_uid, studies.c.patient_id, studies.c.attributes).where(studies.c.id == _OF))
SAID_OF_STUDY = Prepared(select(series.c.attributes).where(series.c.study_id == _OF).order_by(series.c.series_uid))
ADD_STUDY = Prepared(insert(studies).returning(studies.c.id), _names(studies))
SET_STUDY = Prepared(update(studies).where(studies.c.id == _OF), ("patient_id", "moment", "attributes"))

PATIENT_NAMED = Prepared(select(patients.c.id).where(patients.c.name == bindparam("called", type_=Text())))
PATIENT_NAME = Prepared(select(patients.c.name).where(patients.c.id == _OF))
SAID_OF_PATIENT = Prepared(
    select(studies.c.attributes).where(studies.c.patient_id == _OF).order_by(studies.c.study_uid)
)
ADD_PATIENT = Prepared(insert(patients).returning(patients.c.id), _names(patients))
SET_PATIENT = Prepared(update(patients).where(patients.c.id == _OF), ("attributes",))

TERMS = {
    table: Prepared(select(table.c.id, table.c.key, table.c.text, table.c.exact).where(table.c.owner == _OF))
    for table in (study_terms, series_terms)
}
ADD_TERMS = {table: Prepared(insert(table).inline(), _names(table)) for table in (study_terms, series_terms)}

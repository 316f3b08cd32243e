"""Writing: what happens to the tables when instances come, become a generation, or go.

Every row is a function of the generations and the inbox, whatever the order of events (invariant A5): a series speaks
by its generation, or, while it has none, by its waiting instance of the lowest number; a study by its series in the
order of their UIDs, the first that says something of an attribute; a patient likewise by the studies.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table, delete, select

from ..keys import KEYS, above, of_series
from ..manifest import Manifest
from ..rows import InboxRow, Outcome
from .database import Contended, hold
from .prepared import Prepared
from .schema import instances, patients, series, series_terms, studies, study_terms
from .statements import (
    ADD_INSTANCES,
    ADD_PATIENT,
    ADD_SERIES,
    ADD_STACKS,
    ADD_STUDY,
    ADD_TERMS,
    CLASSES_OF_SERIES,
    DROP_ARCHIVED,
    DROP_STACKS,
    HELD_INSTANCES,
    PATIENT_NAME,
    PATIENT_NAMED,
    SAID_OF_PATIENT,
    SAID_OF_STUDY,
    SERIES_NAMED,
    SERIES_SAID,
    SET_PATIENT,
    SET_SERIES_CLASSES,
    SET_SERIES_FIGURES,
    SET_SERIES_SAID,
    SET_STUDY,
    STUDY_NAMED,
    STUDY_ROW,
    TERMS,
    WAITING_OF_SERIES,
)
from .terms import Term, moment_of, storable, terms_of

_NUMBER_LIMIT = 1 << 62
_MANY = 10_000
"""Names in one statement."""
_OF_PATIENT, _OF_STUDY = above("patient"), above("study")
_STUDY_TERMS = _OF_STUDY - {"StudyInstanceUID"}
_SERIES_TERMS = above("series") - _OF_STUDY - {"SeriesInstanceUID"}


def short_id(series_uid: str) -> str:
    """Give the eight hexadecimal digits by which people may name a series."""
    return hashlib.sha256(series_uid.encode()).hexdigest()[:8]


def names_of(series_uids: Iterable[str], study_uids: Iterable[str]) -> list[str]:
    """Give the names that whoever writes these series must hold."""
    return [*(f"series {uid}" for uid in series_uids), *(f"study {uid}" for uid in study_uids)]


def receive(connection: Connection, rows: Sequence[InboxRow], *, replaces: bool = False) -> list[Outcome]:
    """Add instances to the inbox's; of several with one UID the first counts, and with `replaces` these."""
    held = held_instances(connection, [row.sop_uid for row in rows])
    if replaces:
        others = [row.sop_uid for row in rows if held.get(row.sop_uid, ("", row.sha256))[1] != row.sha256]
        for uid in sorted({held[other][0] for other in others}):
            forget_instances(connection, uid, [other for other in others if held[other][0] == uid])
        held = {uid: identity for uid, identity in held.items() if uid not in set(others)}
    known = {uid: sha256 for uid, (_, sha256) in held.items()}
    outcomes: list[Outcome] = []
    fresh: dict[str, list[InboxRow]] = {}
    for row in rows:
        sha256 = known.setdefault(row.sop_uid, "")
        if not sha256:
            known[row.sop_uid] = row.sha256
            fresh.setdefault(row.series_uid, []).append(row)
            outcomes.append("new")
        else:
            outcomes.append("same" if sha256 == row.sha256 else ("other", sha256))
    for uid in sorted(fresh):
        _add_waiting(connection, uid, fresh[uid])
    return outcomes


def held_instances(connection: Connection, sop_uids: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Give (series UID, SHA-256) of those instances that are held."""
    found: dict[str, tuple[str, str]] = {}
    for at in range(0, len(sop_uids), _MANY):
        some = list(sop_uids[at : at + _MANY])
        given = some if connection.dialect.name == "postgresql" else json.dumps(some)
        for uid, series_uid, sha256 in HELD_INSTANCES.all(connection, uids=given):
            found[uid] = series_uid, sha256
    return found


def _add_waiting(connection: Connection, series_uid: str, rows: Sequence[InboxRow]) -> None:
    found = SERIES_NAMED.one(connection, uid=series_uid)
    first = min(rows, key=_speaker)
    classes = {row.sop_class_uid for row in rows}
    if found is None:
        identity, study = _make_series(connection, series_uid, first.study_uid, of_series(first.attributes)), None
        held, speaker, generation = "", None, 0
    else:
        identity, study, generation, speaker, held = found
    if ADD_INSTANCES.run_each(connection, (_waiting_values(row, identity) for row in rows)) != len(rows):
        raise Contended("another transaction added the same instance meanwhile")
    if generation == 0 and (speaker is None or _speaker(first) < speaker):
        _let_speak(connection, identity, first.study_uid, of_series(first.attributes), _speaker(first), study)
        held = "" if speaker is None else held
    elif classes <= set(held.split("\\")):
        return
    _describe_series(connection, identity)


def _speaker(row: InboxRow) -> str:
    """Give what sorts the waiting instances of a series as a generation lists them, by number and UID."""
    return _speaker_of(row.instance_number, row.sop_uid)


def _speaker_of(number: int | None, sop_uid: str) -> str:
    number = 1 << 31 if number is None else _bounded(number)
    return f"{number + _NUMBER_LIMIT:020d} {sop_uid}"


def _bounded(number: int) -> int:
    return min(max(number, -_NUMBER_LIMIT), _NUMBER_LIMIT)


def _waiting_values(row: InboxRow, series_id: int) -> dict[str, Any]:
    attributes = row.attributes
    if attributes.get("StudyInstanceUID") != row.study_uid:
        attributes = attributes | {"StudyInstanceUID": row.study_uid}
    return {
        "sop_uid": row.sop_uid,
        "series_id": series_id,
        "sop_class_uid": row.sop_class_uid,
        "transfer_syntax_uid": row.transfer_syntax_uid,
        "number": None if row.instance_number is None else _bounded(row.instance_number),
        "sha256": row.sha256,
        "size_bytes": row.size_bytes,
        "generation": 0,
        "received_at": row.received_at,
        "source": storable(row.source),
        "attributes": _to_json(attributes),
    }


def put(connection: Connection, manifest: Manifest, archived_bytes: int) -> None:
    """Make a generation the current one: its instances take the place of the former's, and of waiting ones that are
    the same; what else waits stays.
    """
    uid = manifest.series_instance_uid
    found = SERIES_NAMED.one(connection, uid=uid)
    if found is None:
        identity, study = _make_series(connection, uid, manifest.study_instance_uid, manifest.attributes), None
    else:
        identity, study = found[0], found[1]
    waiting = WAITING_OF_SERIES.all(connection, of=identity)
    arrived = {record.sop_instance_uid: record.sha256 for record in manifest.instances}
    done = [sop for sop, sha256 in waiting if arrived.get(sop) == sha256]
    DROP_ARCHIVED.run(connection, of=identity)
    for at in range(0, len(done), _MANY):
        connection.execute(delete(instances).where(instances.c.sop_uid.in_(done[at : at + _MANY])))
    ADD_INSTANCES.run_each(connection, _archived_values(manifest, identity))
    SET_SERIES_FIGURES.run(
        connection,
        of=identity,
        generation=manifest.generation,
        instances=len(manifest.instances),
        frames=sum(len(stack.frames) for stack in manifest.stacks),
        received_bytes=manifest.received_bytes,
        archived_bytes=archived_bytes,
    )
    _put_stacks(connection, identity, manifest)
    _let_speak(connection, identity, manifest.study_instance_uid, manifest.attributes, "", study)
    _describe_series(connection, identity)


def _archived_values(manifest: Manifest, series_id: int) -> Iterable[dict[str, Any]]:
    for record in manifest.instances:
        yield {
            "sop_uid": record.sop_instance_uid,
            "series_id": series_id,
            "sop_class_uid": record.sop_class_uid,
            "transfer_syntax_uid": record.transfer_syntax_uid,
            "number": None if record.instance_number is None else _bounded(record.instance_number),
            "sha256": record.sha256,
            "size_bytes": record.size_bytes,
            "generation": manifest.generation,
            "received_at": record.received_at,
            "source": storable(record.received_from),
            "attributes": _to_json(record.attributes),
        }


def _put_stacks(connection: Connection, series_id: int, manifest: Manifest) -> None:
    DROP_STACKS.run(connection, of=series_id)
    rows = [
        {
            "series_id": series_id,
            "number": number,
            "name": stack.name,
            "dtype": stack.dtype,
            "times": stack.shape[0],
            "slices": stack.shape[1],
            "levels": len(stack.levels),
            "summary": storable(str(stack.meaning["summary"])),
        }
        for number, stack in enumerate(manifest.stacks)
    ]
    ADD_STACKS.run_each(connection, rows)


def forget_series(connection: Connection, series_uid: str) -> None:
    """Remove a series and all its instances."""
    found = SERIES_NAMED.one(connection, uid=series_uid)
    if found is not None:
        connection.execute(delete(instances).where(instances.c.series_id == found[0]))
        _remove_series(connection, found[0], found[1])


def forget_instances(connection: Connection, series_uid: str, sop_uids: Collection[str]) -> None:
    """Remove instances of a series; it goes too where it is left with neither instances nor a generation."""
    found = SERIES_NAMED.one(connection, uid=series_uid)
    if found is None:
        return
    identity, study, generation, _, _ = found
    names = list(sop_uids)
    for at in range(0, len(names), _MANY):
        some = instances.c.sop_uid.in_(names[at : at + _MANY])
        connection.execute(delete(instances).where(instances.c.series_id == identity, some))
    if generation == 0 and not _choose_speaker(connection, identity, study):
        _remove_series(connection, identity, study)
    else:
        _describe_series(connection, identity)


def _choose_speaker(connection: Connection, identity: int, study: int) -> bool:
    """Let the first of a series' waiting instances speak for it; false where there is none."""
    listed = select(instances.c.number, instances.c.sop_uid).where(instances.c.series_id == identity)
    speaker = min((_speaker_of(*row) for row in connection.execute(listed)), default=None)
    if speaker is None:
        return False
    sop_uid = speaker.partition(" ")[2]
    text = connection.execute(select(instances.c.attributes).where(instances.c.sop_uid == sop_uid)).scalar_one()
    attributes = json.loads(text)
    _let_speak(connection, identity, attributes["StudyInstanceUID"], of_series(attributes), speaker, study)
    return True


def _make_series(connection: Connection, uid: str, study_uid: str, attributes: Mapping[str, str]) -> int:
    """Add a series that says nothing yet."""
    row = {"series_uid": uid, "short_id": short_id(uid), "study_id": _study(connection, study_uid, attributes)}
    empty = {"modality": "", "sop_classes": "", "speaker": "", "attributes": ""}
    zero = dict.fromkeys(("generation", "instances", "frames", "received_bytes", "archived_bytes", "number"), 0)
    return _added(connection, ADD_SERIES, row | empty | zero)


def _added(connection: Connection, add: Prepared, values: Mapping[str, Any]) -> int:
    return int(add.one(connection, **values)[0])


def _study(connection: Connection, uid: str, attributes: Mapping[str, str]) -> int:
    """Find a study, or add it; `attributes` name its patient until it is described."""
    found = STUDY_NAMED.one(connection, uid=uid)
    if found is not None:
        return int(found[0])
    patient = _patient(connection, uid, attributes)
    return _added(connection, ADD_STUDY, {"study_uid": uid, "patient_id": patient, "moment": "", "attributes": ""})


def _patient(connection: Connection, study_uid: str, attributes: Mapping[str, str]) -> int:
    """Find the patient of a study, or add one."""
    name = _patient_name(study_uid, attributes)
    hold(connection, [f"patient {name}"])
    found = PATIENT_NAMED.one(connection, called=name)
    return int(found[0]) if found is not None else _added(connection, ADD_PATIENT, {"name": name, "attributes": ""})


def _patient_name(study_uid: str, attributes: Mapping[str, str]) -> str:
    """Give what tells patients apart: ID and issuer; two studies without an ID are not known to be of one."""
    named = attributes.get("PatientID", "")
    issuer = attributes.get("IssuerOfPatientID", "")
    return storable(f"{named}\\{issuer}" if named else f"\\\\{study_uid}")


def _let_speak(
    connection: Connection,
    identity: int,
    study_uid: str,
    attributes: Mapping[str, str],
    speaker: str,
    former: int | None,
) -> None:
    """Say of a series what `attributes` say, and keep its terms, its study and its patient in step."""
    study = _study(connection, study_uid, attributes)
    kept = dict(of_series(attributes))
    number = kept.get("SeriesNumber", "")
    SET_SERIES_SAID.run(
        connection,
        of=identity,
        study_id=study,
        speaker=speaker,
        attributes=_to_json(kept),
        number=_series_number(number),
        modality=storable(kept.get("Modality", "")),
    )
    for affected in sorted({study, study if former is None else former}):
        _describe_study(connection, affected)


def _series_number(text: str) -> int:
    try:
        return _bounded(int(text))
    except ValueError:  # "", "--5", "1\\2", or thousands of digits: whatever a header says
        return 0


def _describe_series(connection: Connection, identity: int) -> None:
    """Renew a series' terms and SOP classes."""
    classes = sorted(uid for (uid,) in CLASSES_OF_SERIES.all(connection, of=identity))
    (text,) = SERIES_SAID.one(connection, of=identity)
    SET_SERIES_CLASSES.run(connection, of=identity, sop_classes="\\".join(classes))
    tag = KEYS["SOPClassUID"].tag
    terms = [*terms_of(json.loads(text), _SERIES_TERMS), *(Term(tag, uid, uid) for uid in classes)]
    _put_terms(connection, series_terms, identity, terms)


def _put_terms(connection: Connection, table: Table, owner: int, terms: Iterable[Term]) -> None:
    """Make these the terms of a study or series; those that stay are not touched."""
    held = TERMS[table].all(connection, of=owner)
    gone = {Term(key, text, exact): identity for identity, key, text, exact in held}
    fresh = [term for term in dict.fromkeys(terms) if gone.pop(term, None) is None]
    if gone:
        connection.execute(delete(table).where(table.c.id.in_(gone.values())))
    ADD_TERMS[table].run_each(connection, (term._asdict() | {"owner": owner} for term in fresh))


def _remove_series(connection: Connection, identity: int, study: int) -> None:
    connection.execute(delete(series_terms).where(series_terms.c.owner == identity))
    DROP_STACKS.run(connection, of=identity)
    connection.execute(delete(series).where(series.c.id == identity))
    _describe_study(connection, study)


def _describe_study(connection: Connection, identity: int) -> None:
    """Say of a study what its series say, and of its patient likewise; remove it where it has none."""
    study_uid, former, said = STUDY_ROW.one(connection, of=identity)
    texts = [text for (text,) in SAID_OF_STUDY.all(connection, of=identity)]
    if not texts:
        connection.execute(delete(study_terms).where(study_terms.c.owner == identity))
        connection.execute(delete(studies).where(studies.c.id == identity))
        _describe_patient(connection, former)
        return
    attributes = _first_said(texts, _OF_STUDY)
    text = _to_json(attributes)
    if text == said:
        return
    patient = _patient(connection, study_uid, attributes)
    date = attributes.get("StudyDate", "")
    moment = moment_of(date, attributes.get("StudyTime", "")) if date else ""
    SET_STUDY.run(connection, of=identity, patient_id=patient, moment=moment, attributes=text)
    _put_terms(connection, study_terms, identity, terms_of(attributes, _STUDY_TERMS))
    for affected in sorted({patient, former}):
        _describe_patient(connection, affected)


def _describe_patient(connection: Connection, identity: int) -> None:
    found = PATIENT_NAME.one(connection, of=identity)
    if found is None:
        return
    hold(connection, [f"patient {found[0]}"])
    texts = [text for (text,) in SAID_OF_PATIENT.all(connection, of=identity)]
    if texts:  # one that is just being made says nothing yet
        text = _to_json(_first_said(texts, _OF_PATIENT))
        SET_PATIENT.run(connection, of=identity, attributes=text)
    else:
        connection.execute(delete(patients).where(patients.c.id == identity))


def _first_said(texts: Iterable[str], keywords: frozenset[str]) -> dict[str, str]:
    """Give, of each attribute, the first value in a list of descriptions."""
    said: dict[str, str] = {}
    for keyword, text in itertools.chain.from_iterable(json.loads(text or "{}").items() for text in texts):
        if keyword in keywords and text:
            said.setdefault(keyword, text)
    return said


def _to_json(attributes: Mapping[str, str]) -> str:
    return storable(json.dumps(attributes, ensure_ascii=False, sort_keys=True, separators=(",", ":")))

"""Reception: one instance at a time from whoever sends it, durable before it is acknowledged (invariants A1, A6, A8).

Bytes are written and hashed as they come, in bounded memory; then the header is parsed, once, as far as the pixels.
What is no instance goes to quarantine with the reason.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Literal, TypeAlias

from ..errors import FormatError, Incomplete, NoRoom, NotDicom, OtherBytes, Truncated
from ..storage import inbox
from ..storage.admission import UNKNOWN, Admission
from ..storage.durable import PartFile, flush, hash_file
from ..storage.fail import reached
from ..storage.home import Home
from ..storage.index import Index
from ..storage.lease import unleased
from ..storage.published import Published
from ..storage.quarantine import set_aside, set_bytes_aside, set_part_aside
from ..storage.retention import Entry, Retention
from ..storage.rows import INBOX, InboxRow, InstanceRow
from .discovery import read_head
from .instance import Instance
from .parse import DICOMDIR_SOP_CLASS
from .rebuild import Rebuilder
from .retrieval import is_dropped

log = logging.getLogger("filmless.reception")

Given: TypeAlias = bytes | bytearray | memoryview | BinaryIO | Path
Came: TypeAlias = Literal["new", "same", "set-aside", "replaced"]

_LOST = "unknown: what was known on reception was lost"


@dataclass(frozen=True, slots=True)
class Receipt:
    """The acknowledgement of one instance: its bytes survive a crash and a power cut from here on."""

    sop_instance_uid: str
    series_instance_uid: str
    sha256: str
    """Of the bytes received, hexadecimal."""
    size_bytes: int
    outcome: Came
    """"new"; "same" where it was there already, byte for byte; "set-aside" where other bytes are there under its UID,
    which stay, and these are in quarantine; "replaced" where those are."""


class Reception:
    """Receives into one archive, in any number of threads and processes."""

    def __init__(self, home: Home, index: Index) -> None:
        self._home, self._index = home, index
        self._admission = Admission(home, index)
        self._retention = Retention(home.root)

    def receive(self, given: Given, source: str = "") -> Receipt:
        """Take in one instance: its bytes, a stream of them, or a file's path; `source` says whom it comes from.

        Durable when this returns. Raises `FormatError` for what is no instance, which is in quarantine then,
        `OtherBytes` where policy refuses it, `NoRoom` where the disk is nearly full, `OSError` where it fails.
        """
        self._home.make_inbox()
        size_bytes = _known_size(given)
        self._check_room(size_bytes)
        part = PartFile(self._home.inbox)
        try:
            reached("inbox: part begun")
            self._write(part, given)
            receipt = self._take(part, source, f"received from {source or 'unknown'}")
        finally:
            part.close()
        reached("inbox: part removed")
        return receipt

    def _write(self, part: PartFile, given: Given) -> None:
        if isinstance(given, bytes | bytearray | memoryview):
            part.append(bytes(given) if isinstance(given, bytearray) else given)
        elif isinstance(given, Path):
            with given.open("rb") as file:
                part.copy(file)
        else:
            part.copy(given)

    def _check_room(self, size_bytes: int) -> None:
        reserve = self._home.policy.reserve_bytes
        missing = self._home.missing_bytes(size_bytes + reserve)
        if missing:
            raise NoRoom(
                f"{self._home.root}: not received: {missing} bytes too few are free; make room, or lower "
                f"reserve_bytes={reserve} by `filmless policy`"
            )

    def _take(self, part: PartFile, source: str, origin: str) -> Receipt:
        try:
            _, instance = read_head(part.reader(), part.size_bytes)
            if instance.sop_class_uid == DICOMDIR_SOP_CLASS:
                raise NotDicom("a DICOMDIR: it lists instances and is none")
        except FormatError as problem:
            entry = self._set_aside(part, origin, str(problem))
            kind = Truncated if isinstance(problem, Incomplete) else type(problem)
            raise kind(f"{problem}; the bytes are in quarantine as {entry[:12]}…") from problem
        row = _row(instance, part.sha256, part.size_bytes, _now(), source)
        if reason := self._why_not_in_series(row):
            self._set_aside(part, origin, reason)
            return _receipt(row, "set-aside")
        return self._admit(part, row, origin)

    def _admit(self, part: PartFile, row: InboxRow, origin: str) -> Receipt:
        held = self._index.held(row.sop_uid)
        if held is None:
            outcome = self._admission.admit(part, row)
            if outcome == UNKNOWN:
                self.recover(row.series_uid)
                return self._admit(part, row, origin)
            if not isinstance(outcome, tuple):
                return _receipt(row, outcome)
        elif held[1] == row.sha256:
            return self._acknowledge_again(part, row, origin)
        return self._take_other(part, row, origin)

    def _acknowledge_again(self, part: PartFile, row: InboxRow, origin: str) -> Receipt:
        """Acknowledge an instance that is there already; where it was marked for deletion, it is not any more."""
        marks = self._retention.marks()
        if row.sop_uid not in marks.deleted and row.sop_uid not in marks.purged:
            return _receipt(row, "same")
        with self._home.series_lock(row.series_uid):  # nobody purges it meanwhile
            surveyed = self._home.survey_series(row.series_uid)
            self._index.catch_up([surveyed] if surveyed is not None else [])
            held = self._index.held(row.sop_uid)
            if held is not None and held[1] == row.sha256:
                why = f"it was {origin} again"
                entry = Entry("undelete", _now(), "reception", why, f"instance {row.sop_uid}", (row.sop_uid,))
                self._retention.add(entry)
                log.warning("instance %s was marked for deletion and is not any more: %s", row.sop_uid, why)
                return _receipt(row, "same")
        return self._admit(part, row, origin)

    def _take_other(self, part: PartFile, row: InboxRow, origin: str) -> Receipt:
        """Do as policy says with an instance of which the archive has other bytes (invariant A6)."""
        policy = self._home.policy.same_uid
        told = f"SOP Instance UID {row.sop_uid}, {origin}: the archive has other bytes under it"
        if policy == "reject":
            log.warning("%s; refused", told)
            raise OtherBytes(f"{told}; the policy is to refuse these")
        if policy == "replace":
            with self._home.series_lock(row.series_uid):
                self.recover(row.series_uid)
                former = self._index.find_instance(row.sop_uid)
                if former.sha256 == row.sha256:
                    return _receipt(row, "same")
                if former.series_uid == row.series_uid:
                    self._admission.replace(part, row, lambda: self.keep_former(former, told))
                    log.warning("%s; these took their place, they are in quarantine", told)
                    return _receipt(row, "replaced")
            told += f", in another series, {former.series_uid}"
        self._set_aside(part, origin, f"{told}, which stay")
        return _receipt(row, "set-aside")

    def keep_former(self, former: InstanceRow, why: str) -> None:
        """Put an instance's bytes into quarantine before others take their place."""
        origin, reason = f"instance {former.sop_uid} of the archive", f"{why}; these were replaced"
        if former.place == INBOX:
            path = inbox.instance_path(self._home, former.series_uid, former.sop_uid)
            set_aside(self._home.quarantine, path, reason, _now())
            return
        published = Published(self._home, former.series_uid, former.place)
        numbers = {record.sop_instance_uid: n for n, record in enumerate(published.manifest.instances)}
        if is_dropped(published.manifest.instances[numbers[former.sop_uid]]):
            reason += "; written anew, as their codestreams had been dropped"
        pieces = Rebuilder(published).proven(numbers[former.sop_uid])
        set_bytes_aside(self._home.quarantine, pieces, origin, reason, _now())

    def _why_not_in_series(self, row: InboxRow) -> str:
        """Say why an instance must not join its series, "" where it may: two people must not share a volume."""
        identity = self._index.identity_of(row.series_uid)
        own = row.study_uid, row.attributes.get("PatientID", "")
        if identity is None or identity == own:
            return ""
        return (
            f"Series Instance UID {row.series_uid} is that of patient {identity[1]!r}, study {identity[0]}; "
            f"this instance says patient {own[1]!r}, study {own[0]}"
        )

    def _set_aside(self, part: PartFile, origin: str, reason: str) -> str:
        entry = set_part_aside(self._home.quarantine, part, origin, reason, _now())
        log.warning("set aside %s (%s): %s", entry.sha256, origin, reason)
        return entry.sha256

    def recover(self, series_uid: str | None = None) -> None:
        """Finish what receivers that died left in the inbox, of one series or all; what others are at stays."""
        for uid in [series_uid] if series_uid else inbox.series_uids(self._home):
            indexed = {row.sop_uid: row for row in self._index.instances_of(uid)}
            for path in inbox.instances(self._home, uid):
                self._recover(path, indexed.get(path.stem))

    def _recover(self, path: Path, held: InstanceRow | None) -> None:
        facts = inbox.read_facts(path)
        row = facts or self._examined_anew(path)
        if row is None or (held is not None and (held.place, held.sha256) == (INBOX, row.sha256)):
            return
        if held is not None and held.place == INBOX:
            if _is_whole(path, row):  # else a replacement that was stopped before the bytes were there
                self._index.receive([row], replaces=True)
        elif held is not None and held.sha256 == row.sha256:
            inbox.remove(self._home, row.series_uid, [row.sop_uid])  # consolidated already
        elif held is None and not _is_whole(path, row):
            self._set_left_aside(path, row, "its reception was cut off by a loss of power, and never acknowledged")
        elif held is not None or not self._is_committed(path, row, is_known=facts is not None):
            self._set_left_aside(path, row, "the archive has other bytes under it, which stay")

    def _is_committed(self, path: Path, row: InboxRow, *, is_known: bool) -> bool:
        """Let the index know of an instance; false where it has other bytes under its UID."""
        if not is_known:  # the next time it is known from the file
            with suppress(FileNotFoundError):
                inbox.write_facts_again(self._home, path, row)
        return not isinstance(self._admission.commit(row), tuple)

    def _set_left_aside(self, path: Path, row: InboxRow, why: str) -> None:
        """Take a file out of the inbox that must not be in it, unless its receiver is at it."""
        with unleased(path) as is_abandoned:
            if is_abandoned:
                reason = f"SOP Instance UID {row.sop_uid}: {why}"
                set_aside(self._home.quarantine, path, reason, _now())
                log.warning("set aside %s, left in the inbox: %s", row.sha256, reason)
                inbox.remove(self._home, row.series_uid, [row.sop_uid])

    def _examined_anew(self, path: Path) -> InboxRow | None:
        """Find out again what is known of an instance; None where its file is gone, or set aside as it is none."""
        try:
            with path.open("rb") as file:
                status = path.stat()
                _, instance = read_head(file, status.st_size)
        except FileNotFoundError:
            return None
        except FormatError as problem:
            set_aside(self._home.quarantine, path, str(problem), _now())
            log.warning("set aside %s: %s", path, problem)
            path.unlink(missing_ok=True)
            return None
        if inbox.instance_path(self._home, instance.series_instance_uid, instance.sop_instance_uid) != path:
            log.error("%s holds instance %s: it is left alone", path, instance.sop_instance_uid)
            return None
        received = datetime.fromtimestamp(status.st_mtime, UTC).isoformat(timespec="microseconds")
        log.warning("%s: what was known on reception was lost; hashed anew", path)
        return _row(instance, hash_file(path), status.st_size, received, _LOST)


def _is_whole(path: Path, row: InboxRow) -> bool:
    """Whether a file is what was received; it is on the disk then."""
    try:
        if hash_file(path) != row.sha256:
            return False
        flush(path)
    except FileNotFoundError:  # consolidated meanwhile: the index knows
        return True
    return True


def _known_size(given: Given) -> int:
    if isinstance(given, bytes | bytearray | memoryview):
        return memoryview(given).nbytes
    return given.stat().st_size if isinstance(given, Path) else 0


def _row(instance: Instance, sha256: str, size_bytes: int, received_at: str, source: str) -> InboxRow:
    return InboxRow(
        sop_uid=instance.sop_instance_uid,
        series_uid=instance.series_instance_uid,
        study_uid=instance.study_instance_uid,
        sop_class_uid=instance.sop_class_uid,
        transfer_syntax_uid=instance.transfer_syntax_uid,
        instance_number=instance.instance_number,
        sha256=sha256,
        size_bytes=size_bytes,
        received_at=received_at,
        source=source,
        attributes=instance.attributes,
    )


def _receipt(row: InboxRow, outcome: Came) -> Receipt:
    return Receipt(row.sop_uid, row.series_uid, row.sha256, row.size_bytes, outcome)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")

"""Requests to one bucket: retried, timed, checked for their length, and failing in words that say what to change.

obstore makes them (the Rust `object_store` client: no lock of Python's is held, and it retries what a server or a
connection failed at). What it cannot see, an answer shorter than asked for, is asked again here.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import S3Store

from ...errors import StoreFailed
from .address import Address

if TYPE_CHECKING:
    from obstore.store import S3Config

Item = TypeVar("Item")
Result = TypeVar("Result")

MULTIPART_BYTES = 8 << 20
"""Larger files go up in parts of this size, several at a time."""
_ALL_BYTES = 1 << 40
_CONNECTIONS = 32
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 5.0
_DEFAULT_REGION = "us-east-1"


class Absent(Exception):  # never leaves the store: who asked knows what its absence means
    """There is no such object, or nothing in it."""


class Taken(Exception):
    """There is such an object already."""


@dataclass(frozen=True, slots=True)
class Listed:
    """What a listing says of one object."""

    path: str
    size_bytes: int
    modified: datetime


class Client:
    """One bucket and prefix; paths are below it."""

    def __init__(self, address: Address) -> None:
        """Make ready to ask; nothing is asked yet."""
        self.address = address
        first, longest = timedelta(seconds=_FIRST_PAUSE_S), timedelta(seconds=_LONGEST_PAUSE_S)
        whole_s = (address.retries + 1) * (address.timeout_s + _LONGEST_PAUSE_S)
        self._store = S3Store(
            address.bucket,
            prefix=address.prefix or None,
            config=_config(address),
            client_options={
                "allow_http": address.is_plain_http,
                "timeout": timedelta(seconds=address.timeout_s),
                "connect_timeout": timedelta(seconds=min(address.timeout_s, 10.0)),
            },
            retry_config={
                "max_retries": address.retries,
                "backoff": {"init_backoff": first, "max_backoff": longest, "base": 2},
                "retry_timeout": timedelta(seconds=whole_s),
            },
        )

    def read(self, path: str, start: int, stop: int) -> bytes:
        """Give the bytes of an object from `start` up to `stop`; raises `Absent`, `StoreFailed`."""
        if stop <= start:
            return b""

        def ask() -> bytes | None:
            got = obstore.get_range(self._store, path, start=start, end=stop)
            return got.to_bytes() if len(got) == stop - start else None

        return self._until_whole(path, ask)

    def read_tail(self, path: str, length: int) -> tuple[bytes, int]:
        """Give an object's last bytes, all where it has no more, and its size: no request asks for the size alone."""

        def ask() -> tuple[bytes, int] | None:
            answer = obstore.get(self._store, path, options={"range": {"suffix": length}})
            size_bytes = int(answer.meta["size"])
            data = answer.bytes().to_bytes()
            return (data, size_bytes) if len(data) == min(length, size_bytes) else None

        return self._until_whole(path, ask)

    def read_whole(self, path: str) -> bytes:
        """Give an object's bytes; raises `Absent`, `StoreFailed`."""
        # As the last bytes of any number: the answer tells the size, so that one cut short is known for it.
        return self.read_tail(path, _ALL_BYTES)[0]

    def _until_whole(self, path: str, ask: Callable[[], Result | None]) -> Result:
        """Ask until the answer is as long as it must be."""
        for attempt in range(self.address.retries + 1):
            with self._in_words(path):
                answer = ask()
            if answer is not None:
                return answer
            time.sleep(min(_FIRST_PAUSE_S * 2**attempt, _LONGEST_PAUSE_S))
        raise StoreFailed(f"{self.address}/{path}: every answer was cut short, {self.address.retries + 1} times")

    def put(self, path: str, data: bytes) -> None:
        """Make a small object, where there is none yet; raises `Taken`, `StoreFailed`.

        An answer may be lost after the object was made: what is there already and the same is ours. After
        `StoreFailed` it may be there too, or appear yet.
        """
        for attempt in range(self.address.retries + 1):
            try:
                with self._in_words(path):
                    obstore.put(self._store, path, data, mode="create")
            except (Taken, StoreFailed) as problem:
                if self._holds(path, data):
                    return
                if isinstance(problem, Taken) or attempt == self.address.retries:
                    raise
            else:
                return
            time.sleep(min(_FIRST_PAUSE_S * 2**attempt, _LONGEST_PAUSE_S))

    def _holds(self, path: str, data: bytes) -> bool:
        try:
            return self.read_whole(path) == data
        except Absent:
            return False

    def upload(self, path: str, source: Path) -> None:
        """Make an object of a local file's bytes, in parts where it is large; in bounded memory."""
        with self._in_words(path), source.open("rb") as file:
            obstore.put(self._store, path, file, chunk_size=MULTIPART_BYTES, max_concurrency=4)

    def listed(self, folder: str) -> Iterator[Listed]:
        """Give all objects below a folder, "" for all there are."""
        with self._in_words(folder):
            for page in obstore.list(self._store, prefix=folder or None, chunk_size=1000):
                yield from (Listed(item["path"], item["size"], item["last_modified"]) for item in page)

    def delete(self, paths: list[str]) -> None:
        """Remove objects; those that are gone already are no error."""
        if not paths:
            return
        with self._in_words(paths[0]):
            for at in range(0, len(paths), 1000):
                obstore.delete(self._store, paths[at : at + 1000])

    @contextmanager
    def _in_words(self, path: str) -> Iterator[None]:
        try:
            yield
        except (AlreadyExistsError, FileExistsError) as problem:
            raise Taken(path) from problem
        except StoreFailed:
            raise
        except (BaseError, OSError) as problem:
            # A file of ours that cannot be read is an OSError with its number; what obstore raises has none.
            if isinstance(problem, OSError) and problem.errno is not None:
                raise
            is_absent = isinstance(problem, FileNotFoundError) and "NoSuchBucket" not in str(problem)
            if is_absent or "InvalidRange" in str(problem):  # an empty object has no last byte
                raise Absent(path) from problem
            raise StoreFailed(f"{self.address}/{path}: {_advice(problem, self.address)}") from problem


def _config(address: Address) -> S3Config:
    region = address.region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or _DEFAULT_REGION
    config: S3Config = {"region": region, "conditional_put": "etag"}
    if address.endpoint:
        config["endpoint"] = address.endpoint
    return config


def _advice(problem: Exception, address: Address) -> str:
    """Say what a server refused or a connection failed at, and what to change."""
    text = str(problem).split("\n\nDebug source", 1)[0]
    said = " ".join(text.split())
    if "NoSuchBucket" in said:
        return f"there is no bucket {address.bucket!r}: make it, or correct the URL ({_where(address)})"
    if "credential" in said.lower() or any(code in said for code in ("401 ", "403 ", "AccessDenied", "Signature")):
        return (
            "access was refused: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to those of a user who may read and "
            f"write this bucket ({_where(address)}; {said[:300]})"
        )
    if "PermanentRedirect" in said or "301 " in said:
        return f"the bucket is in another region: say which by ?region=… or AWS_REGION ({said[:300]})"
    if "error sending request" in said or "timed out" in said.lower():
        return f"no answer: check that the endpoint runs and is the right one ({_where(address)}; {said[:300]})"
    return f"the object store failed: {said[:400]}"


def _where(address: Address) -> str:
    return f"endpoint {address.endpoint or os.environ.get('AWS_ENDPOINT_URL') or 'of AWS'}"


@cache
def _executor() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_CONNECTIONS, thread_name_prefix="filmless-store")


os.register_at_fork(after_in_child=_executor.cache_clear)  # threads do not survive a fork


def together(function: Callable[[Item], Result], items: list[Item]) -> list[Result]:
    """Call `function`, which waits for requests, on every item at once; give the results in order."""
    if len(items) <= 1:
        return [function(item) for item in items]
    futures = [_executor().submit(function, item) for item in items]
    try:
        return [future.result() for future in futures]
    finally:
        for future in futures:
            future.cancel()

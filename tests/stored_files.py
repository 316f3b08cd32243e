"""The files of an archive's only generation, to be looked at and harmed, in a folder or in an object store.

Objects are reached by boto3, not by the client that the archive uses.
"""

from __future__ import annotations

from pathlib import Path

import boto3
from filmless.storage.home import Home
from filmless.storage.store.address import Address


class StoredFiles:
    """All files of the generation, by their paths below it."""

    def __init__(self, root: Path) -> None:
        home = Home(root)
        (series,) = home.survey()
        (number,) = series.generations
        self.place = home.generation_folder(series.uid, number)
        self._is_local = not home.series_url
        if not self._is_local:
            address = Address.parse(home.series_url)
            self._client = boto3.client("s3", endpoint_url=address.endpoint)
            self._bucket, self._folder = address.bucket, f"{address.prefix}/{self.place.path}"

    def _object(self, name: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": f"{self._folder}/{name}"}

    def read(self, name: str) -> bytes:
        """Give a file's bytes."""
        if self._is_local:
            return (self.place / name).read_bytes()
        with self._client.get_object(**self._object(name))["Body"] as body:
            return body.read()

    def write(self, name: str, data: bytes) -> None:
        """Put a file there, or other bytes into it."""
        if self._is_local:
            (self.place / name).parent.mkdir(parents=True, exist_ok=True)
            (self.place / name).write_bytes(data)
        else:
            self._client.put_object(**self._object(name), Body=data)

    def remove(self, name: str) -> None:
        """Take a file away."""
        if self._is_local:
            (self.place / name).unlink()
        else:
            self._client.delete_object(**self._object(name))

    def flip(self, name: str, share: float) -> bytes:
        """Flip one bit at a share of the file's length; give the bytes it had."""
        data = self.read(name)
        at = min(int(len(data) * share), len(data) - 1)
        self.write(name, data[:at] + bytes([data[at] ^ 8]) + data[at + 1 :])
        return data

"""The URL of an object store: `s3://bucket/prefix?endpoint=…&region=…`.

Credentials never stand in it: `archive.json` holds it, and messages show it. They come from the environment, where
every S3 tool looks for them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from ...errors import InvalidArgument

_SECRET = ("key", "secret", "token", "password")


@dataclass(frozen=True, slots=True)
class Address:
    """One bucket, or a prefix in it, and how to reach it."""

    bucket: str
    prefix: str
    """Without slashes at its ends; "" for the whole bucket."""
    endpoint: str = ""
    """Such as http://127.0.0.1:9000; "" for AWS, or what AWS_ENDPOINT_URL says."""
    region: str = ""
    """Such as eu-central-1; "" for what AWS_REGION says, or else us-east-1."""
    timeout_s: float = 30.0
    """Most time of one request; none moves more than some megabytes."""
    retries: int = 8
    """How often a request that failed by the server's or the network's fault is made again, after growing pauses."""
    grace_s: float = 3600.0
    """How long a former generation stays for those who read it, and an unfinished one for who may be writing it."""

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    @property
    def is_plain_http(self) -> bool:
        """Whether the endpoint is reached without TLS: only where a URL says so in full."""
        named = self.endpoint or os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL", "")
        return named.startswith("http://")

    @classmethod
    def parse(cls, url: str) -> Address:
        """Read a URL; raises `InvalidArgument` that says what is wrong with it."""
        parts = urlsplit(url)
        if parts.scheme != "s3" or not parts.hostname or parts.fragment:
            raise InvalidArgument(f"{parts.scheme or url!r}: name an object store as s3://bucket/prefix")
        if parts.username or parts.password or any(word in parts.query.lower() for word in _SECRET):
            raise InvalidArgument(
                f"s3://{parts.hostname}: no credentials in a URL, which is kept and shown: "
                "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            )
        prefix = "/".join(part for part in parts.path.split("/") if part)
        asked = dict(parse_qsl(parts.query, keep_blank_values=True))
        known = {"endpoint": str, "region": str, "timeout_s": float, "retries": int, "grace_s": float}
        values = {}
        for key, text in asked.items():
            if key not in known:
                raise InvalidArgument(f"{url}: no option is called {key!r}: choose from {', '.join(known)}")
            try:
                values[key] = known[key](text)
            except ValueError:
                raise InvalidArgument(f"{url}: {key} is {text!r}: a number is needed") from None
        address = cls(parts.netloc, prefix, **values)
        address._check(url)
        return address

    def _check(self, url: str) -> None:
        if self.endpoint and not self.endpoint.startswith(("http://", "https://")):
            raise InvalidArgument(f"{url}: endpoint is {self.endpoint!r}: begin it with https:// (or http://)")
        if not (0 < self.timeout_s < float("inf") and self.retries >= 0 and 0 <= self.grace_s < float("inf")):
            raise InvalidArgument(f"{url}: timeout_s is above 0, retries and grace_s are 0 or more")

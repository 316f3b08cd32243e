from __future__ import annotations

import pytest
from filmless.errors import InvalidArgument
from filmless.storage.store.address import Address


def test_a_url_names_bucket_prefix_and_options():
    address = Address.parse(
        "s3://images/hospital/ct/?endpoint=http://127.0.0.1:9000&region=eu-1&timeout_s=2.5&retries=0"
    )

    assert (address.bucket, address.prefix) == ("images", "hospital/ct")
    assert (address.endpoint, address.region) == ("http://127.0.0.1:9000", "eu-1")
    assert (address.timeout_s, address.retries) == (2.5, 0)
    assert str(address) == "s3://images/hospital/ct"


def test_a_bucket_alone_is_enough():
    assert str(Address.parse("s3://images")) == "s3://images"


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("/a/folder", "s3://bucket/prefix"),
        ("s3://", "s3://bucket/prefix"),
        ("gs://bucket", "s3://bucket/prefix"),
        ("s3://bucket?regoin=x", "no option is called 'regoin'"),
        ("s3://bucket?retries=often", "a number is needed"),
        ("s3://bucket?retries=-1", "0 or more"),
        ("s3://bucket?timeout_s=0", "above 0"),
        ("s3://bucket?timeout_s=nan", "above 0"),
        ("s3://bucket?endpoint=127.0.0.1:9000", "begin it with https://"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused_with_what_to_change(url, told):
    with pytest.raises(InvalidArgument, match=told):
        Address.parse(url)


@pytest.mark.parametrize("url", ["s3://user:hidden@bucket/a", "s3://bucket/a?secret_access_key=hidden"])
def test_credentials_in_a_url_are_refused_and_not_repeated(url):
    with pytest.raises(InvalidArgument, match="AWS_SECRET_ACCESS_KEY") as refused:
        Address.parse(url)

    assert "hidden" not in str(refused.value)


def test_plain_http_is_used_only_where_the_endpoint_says_so(monkeypatch):
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    assert not Address.parse("s3://bucket").is_plain_http
    assert Address.parse("s3://bucket?endpoint=http://127.0.0.1:1").is_plain_http

    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")

    assert Address.parse("s3://bucket").is_plain_http
    assert not Address.parse("s3://bucket?endpoint=https://127.0.0.1:1").is_plain_http

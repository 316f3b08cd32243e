from __future__ import annotations

import hashlib

import pytest
from filmless.errors import Damaged, InvalidArgument
from filmless.storage.pack import GroupedPack, GroupedPackWriter, Pack, PackWriter
from hypothesis import given, settings
from hypothesis import strategies as st
from stored import flipped

ITEMS = st.lists(st.one_of(st.binary(max_size=200), st.just(bytes(5000)), st.just(b"abc" * 999)), max_size=12)


def write_pack(path, items, compress=False):
    path.unlink(missing_ok=True)
    writer = PackWriter(path)
    numbers = [writer.append(item, compress=compress) for item in items]
    digest, size = writer.close()
    assert (digest, size) == (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_size)
    return numbers


def write_groups(path, items):
    path.unlink(missing_ok=True)
    writer = GroupedPackWriter(path)
    places = [writer.append(item) for item in items]
    writer.close()
    return places


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("packs")


@settings(max_examples=60)
@given(items=ITEMS, compress=st.booleans())
def test_items_come_back_as_they_went_in(folder, items, compress):
    numbers = write_pack(folder / "a.pack", items, compress)

    pack = Pack(folder / "a.pack")

    assert numbers == list(range(len(items))) == list(range(len(pack)))
    assert [pack.read(number) for number in numbers] == items


@settings(max_examples=60)
@given(items=ITEMS, order=st.randoms(use_true_random=False))
def test_grouped_items_come_back_in_any_order(folder, items, order):
    places = write_groups(folder / "g.pack", items)
    pack = GroupedPack(folder / "g.pack")

    pairs = list(zip(places, items, strict=True))
    order.shuffle(pairs)

    assert all(pack.read(*place) == item for place, item in pairs)


def test_a_group_holds_no_more_items_and_bytes_than_its_limits(folder):
    places = write_groups(folder / "g.pack", [b"x" * 10] * 130 + [b"y" * 700_000] * 3 + [b"z" * 3_000_000, b"w"])

    groups = [group for group, _, _ in places]
    assert [groups.count(group) for group in range(max(groups) + 1)] == [64, 64, 3, 1, 1, 1, 1]
    assert places[-1] == (6, 0, 1)


def test_what_does_not_compress_is_stored_as_it_is(folder):
    write_pack(folder / "a.pack", [bytes(range(256))], compress=True)

    assert bytes(range(256)) in (folder / "a.pack").read_bytes()


def test_what_compresses_takes_less_room(folder):
    write_pack(folder / "a.pack", [b"header " * 1000], compress=True)

    assert (folder / "a.pack").stat().st_size < 200


@pytest.mark.parametrize("number", [-1, 2, 99])
def test_an_item_that_is_not_there_is_refused(folder, number):
    write_pack(folder / "a.pack", [b"a", b"b"])

    with pytest.raises(InvalidArgument, match="of 2"):
        Pack(folder / "a.pack").read(number)


@pytest.mark.parametrize("compress", [False, True])
def test_a_bit_flipped_anywhere_is_noticed(tmp_path, compress):
    path, items = tmp_path / "a.pack", [b"first " * 20, b"", b"second " * 9]
    write_pack(path, items, compress)

    for at in range(path.stat().st_size):
        whole = flipped(path, at, at % 8)
        with pytest.raises(Damaged, match=str(path)):
            [Pack(path).read(number) for number in range(3)]
        path.write_bytes(whole)


def test_a_bit_flipped_anywhere_in_a_grouped_pack_is_noticed(tmp_path):
    path = tmp_path / "g.pack"
    places = write_groups(path, [b"first " * 20, b"", b"second " * 9])

    for at in range(path.stat().st_size):
        whole = flipped(path, at, at % 8)
        with pytest.raises(Damaged, match=str(path)):
            [GroupedPack(path).read(*place) for place in places]
        path.write_bytes(whole)


def test_a_pack_cut_anywhere_is_noticed(tmp_path):
    path = tmp_path / "a.pack"
    write_pack(path, [b"first", b"second"])
    data = path.read_bytes()

    for length in range(len(data)):
        path.write_bytes(data[:length])
        with pytest.raises(Damaged, match=str(path)):
            Pack(path)


def test_a_missing_pack_is_named(tmp_path):
    with pytest.raises(Damaged, match=r"nothing\.pack"):
        Pack(tmp_path / "nothing.pack")


def test_a_place_beyond_its_group_is_noticed(folder):
    write_groups(folder / "g.pack", [b"short"])

    with pytest.raises(Damaged, match="shorter than its items"):
        GroupedPack(folder / "g.pack").read(0, 3, 3)


def test_a_pack_is_never_written_over_another_file(tmp_path):
    (tmp_path / "a.pack").write_bytes(b"precious")

    with pytest.raises(FileExistsError):
        PackWriter(tmp_path / "a.pack")
    assert (tmp_path / "a.pack").read_bytes() == b"precious"

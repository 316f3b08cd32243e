"""Publishing to an object store, and reading from one that fails; the server is a real one behind a proxy of ours."""

from __future__ import annotations

import hashlib
import uuid
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from filmless.errors import Damaged, FilmlessError, StoreFailed, Superseded
from filmless.storage.generation import GenerationWriter, read_manifest, read_sums, remove_generations
from filmless.storage.home import Home
from filmless.storage.index import newest_readable
from filmless.storage.store import object_view
from filmless.storage.store.client import MULTIPART_BYTES
from filmless.storage.store.coalesce import PART_BYTES
from filmless.storage.store.object_view import ChunkCache
from filmless.storage.store.objects import UPLOADING
from filmless.storage.store.reading import file_sizes, hash_whole, open_view, read_whole
from generations import manifest, publish, record
from object_server import BUCKET, url

UID = "1.2.3"


@pytest.fixture
def home(tmp_path, s3_proxy):
    """An archive whose store is reached through the proxy, once again after a failure, and then no more."""
    options = "timeout_s=1&retries=1&grace_s=0"
    return Home.create(tmp_path / "archive", url(s3_proxy.endpoint, f"store-{uuid.uuid4().hex}", options))


def on(method, count=10**6, *, of="", fault="500"):
    """A fault of the first `count` requests of a method whose path holds `of`."""
    left = [count]

    def choose(request):
        if request.method == method and of in request.path and left[0]:
            left[0] -= 1
            return fault
        return ""

    return choose


class TestPublishing:
    def test_a_marker_goes_up_first_and_the_manifest_last(self, home, s3_proxy):
        publish(home, UID)

        names = [request.path.rpartition("/")[2] for request in s3_proxy.of("PUT")]
        assert (names[0], names[-1]) == (UPLOADING, "series.json")
        assert set(names[1:-1]) == {"headers.pack", "SHA256SUMS"}
        assert home.survey()[0].leftovers == ()

    def test_a_marker_that_stayed_is_swept_and_the_generation_is_not(self, home, s3_proxy):
        s3_proxy.fault = lambda r: "500" if r.method in ("DELETE", "POST") else ""
        publish(home, UID)
        s3_proxy.fault = lambda _: ""
        (before,) = home.survey()

        home.sweep([before])

        (after,) = home.survey()
        assert (before.generations, [path.name for path in before.leftovers]) == ((1,), [UPLOADING])
        assert (after.generations, after.leftovers) == ((1,), ())
        assert set(read_sums(after.folder / "1")) < set(file_sizes(after.folder / "1"))

    def test_one_that_lost_its_manifest_is_damage_and_never_swept(self, home):
        publish(home, UID)
        home.store._client.delete([f"{home.store.series(UID).path}/1/series.json"])

        home.sweep(home.survey())

        (held,) = home.survey()
        manifest_read, problems = newest_readable(held)
        assert (held.generations, held.leftovers, manifest_read) == ((1,), (), None)
        assert "series.json: is missing" in problems[0]
        assert "headers.pack" in file_sizes(held.folder / "1")

    def test_a_manifest_that_arrives_though_its_upload_failed_makes_a_whole_generation(self, home, s3_proxy):
        s3_proxy.fault = on("PUT", of="series.json")
        with pytest.raises(StoreFailed):
            publish(home, UID)
        (held,) = home.survey()
        assert held.generations == ()
        s3_proxy.fault = lambda _: ""

        (staged,) = (path for path in (home.root / "series").rglob("series.json"))
        home.store._client.put(f"{home.store.series(UID).path}/1/series.json", staged.read_bytes())

        assert set(read_sums(home.generation_folder(UID, 1))) <= set(file_sizes(home.generation_folder(UID, 1)))
        assert home.survey()[0].generations == (1,)

    def test_nothing_stays_in_the_local_folder(self, home):
        publish(home, UID)

        assert not [path for path in (home.root / "series").rglob("*") if path.is_file()]

    @pytest.mark.parametrize("name", [UPLOADING, "headers.pack"])
    def test_an_upload_that_fails_before_the_manifest_publishes_nothing_and_leaves_nothing(self, home, s3_proxy, name):
        publish(home, UID)
        s3_proxy.fault = on("PUT", of=name)

        with pytest.raises(StoreFailed, match=BUCKET):
            publish(home, UID)

        (held,) = home.survey()
        assert (held.generations, [path for path in held.leftovers if path.name == "2"]) == ((1,), [])

    def test_a_writer_that_died_before_the_manifest_leaves_no_generation_and_is_swept(self, home, s3_proxy):
        publish(home, UID)
        s3_proxy.fault = lambda r: "500" if r.path.endswith("series.json") or r.method in ("DELETE", "POST") else ""
        with pytest.raises(StoreFailed):
            publish(home, UID)
        s3_proxy.fault = lambda _: ""

        (before,) = home.survey()
        home.sweep(home.survey())
        (after,) = home.survey()

        assert before.generations == after.generations == (1,)
        assert [str(path) for path in before.leftovers if path.name == "2"] == [f"{home.store.series(UID)}/2"]
        assert after.leftovers == ()

    def test_what_may_be_going_up_still_is_not_swept(self, home, s3_proxy):
        s3_proxy.fault = lambda r: "500" if r.path.endswith("series.json") or r.method in ("DELETE", "POST") else ""
        with pytest.raises(StoreFailed):
            publish(home, UID)
        s3_proxy.fault = lambda _: ""
        patient = Home.create(home.root.parent / "other", home.series_url.replace("grace_s=0", "grace_s=3600"))

        patient.sweep(patient.survey())

        (held,) = patient.survey()
        assert [path.name for path in held.leftovers] == ["1"]

    def test_the_next_generation_never_takes_the_number_of_an_unfinished_one(self, home, s3_proxy):
        s3_proxy.fault = lambda r: "500" if r.path.endswith("series.json") or r.method in ("DELETE", "POST") else ""
        with pytest.raises(StoreFailed):
            publish(home, UID)
        s3_proxy.fault = lambda _: ""

        assert publish(home, UID) == 2

    def test_of_two_writers_of_one_generation_the_second_is_refused(self, home):
        first, second = GenerationWriter(home, UID), GenerationWriter(home, UID)
        for writer, sop in ((first, "1.1"), (second, "1.2")):
            header = writer.headers.append(sop.encode())
            made = manifest(UID, generation=writer.number, instances=[record(sop, header, len(sop))])
            if writer is first:
                writer.publish(made)

        with pytest.raises(FilmlessError, match="another writer"):
            second.publish(made)

        assert home.survey()[0].leftovers == (second.folder,)
        assert [i.sop_instance_uid for i in read_manifest(home.generation_folder(UID, 1)).instances] == ["1.1"]

    def test_of_two_writers_at_the_same_time_one_is_refused(self, home, s3_proxy):
        s3_proxy.latency_s = 0.02
        writers = [GenerationWriter(home, UID) for _ in range(2)]

        def go(number):
            header = writers[number].headers.append(bytes(100 + number))
            instances = [record(f"1.{number}", header, 100 + number)]
            try:
                return writers[number].publish(manifest(UID, instances=instances))
            except FilmlessError as problem:
                return str(problem)

        with ThreadPoolExecutor(2) as threads:
            results = list(threads.map(go, range(2)))

        (won,) = (number for number in range(2) if isinstance(results[number], int))
        assert "another writer" in results[1 - won]
        assert read_manifest(home.generation_folder(UID, 1)).instances[0].sop_instance_uid == f"1.{won}"

    def test_an_answer_that_was_lost_is_no_failure(self, home, s3_proxy):
        s3_proxy.fault = on("PUT", 1, of="series.json", fault="stall")

        assert publish(home, UID) == 1

        assert read_manifest(home.generation_folder(UID, 1)).generation == 1

    def test_large_files_go_up_in_parts_and_come_back_whole(self, home, s3_proxy, tmp_path):
        data = np.random.default_rng(1).bytes(2 * MULTIPART_BYTES + 12345)
        writer = GenerationWriter(home, UID)
        writer.codestreams.append(data)
        writer.publish(manifest(UID, instances=[record("1.1", writer.headers.append(b"x"), 1)]))

        path = home.generation_folder(UID, 1) / "codestreams.pack"
        assert len([r for r in s3_proxy.of("PUT") if "partNumber" in r.path]) == 3
        assert open_view(path).read(0, len(data)) == data
        assert hash_whole(path) == hashlib.sha256(data + open_view(path).read(len(data), 1 << 20)).hexdigest()


class TestRemoving:
    def test_the_manifest_goes_first(self, home, s3_proxy):
        publish(home, UID)
        publish(home, UID)
        s3_proxy.requests.clear()

        remove_generations(home, UID, [1])

        (held,) = home.survey()
        assert (held.generations, held.leftovers) == ((2,), ())

    def test_one_whose_removal_was_stopped_is_no_generation_and_is_swept(self, home, s3_proxy):
        publish(home, UID)
        publish(home, UID)
        s3_proxy.fault = lambda r, seen=[]: "500" if r.method == "POST" and (seen.append(r) or len(seen) > 1) else ""
        with pytest.raises(StoreFailed):
            remove_generations(home, UID, [1])
        s3_proxy.fault = lambda _: ""

        (before,) = home.survey()
        home.sweep([before])

        assert before.generations == (2,)
        assert [path.name for path in before.leftovers] == ["1"]
        assert home.survey()[0].leftovers == ()

    def test_a_former_one_stays_for_its_readers_as_long_as_the_url_says(self, home):
        publish(home, UID)
        publish(home, UID)
        patient = Home.create(home.root.parent / "other", home.series_url.replace("grace_s=0", "grace_s=3600"))

        remove_generations(patient, UID, [1])
        stayed = patient.survey()[0].generations
        remove_generations(home, UID, [1])

        assert (stayed, home.survey()[0].generations) == ((1, 2), (2,))

    def test_its_reader_is_told_that_it_was_replaced(self, home):
        publish(home, UID)
        former = home.generation_folder(UID, 1)
        publish(home, UID)
        remove_generations(home, UID, [1])

        for read in (read_whole, hash_whole, open_view):
            with pytest.raises(Superseded, match="open the series again"):
                read(former / "headers.pack")

    def test_a_missing_object_of_the_newest_is_damage(self, home):
        publish(home, UID)

        with pytest.raises(Damaged, match=r"s3://.*codestreams.pack: is missing, or empty"):
            open_view(home.generation_folder(UID, 1) / "codestreams.pack")


class TestFailing:
    @pytest.fixture
    def pack(self, home):
        """A pack of half a megabyte, and its item."""
        item = np.random.default_rng(2).bytes(500_000)
        writer = GenerationWriter(home, UID)
        writer.codestreams.append(item)
        writer.publish(manifest(UID, instances=[record("1.1", writer.headers.append(b"x"), 1)]))
        return home.generation_folder(UID, 1) / "codestreams.pack", item

    @pytest.mark.parametrize("fault", ["500", "503", "429", "reset", "cut", "short", "stall"])
    def test_a_request_that_failed_once_is_made_again(self, pack, s3_proxy, fault):
        path, item = pack
        s3_proxy.fault = on("GET", 1, fault=fault)
        view = open_view(path)
        s3_proxy.fault = on("GET", 1, fault=fault)

        assert view.read(0, len(item)) == item

    @pytest.mark.parametrize("fault", ["500", "503", "reset", "cut", "short", "stall"])
    def test_one_that_fails_always_is_told_with_its_address(self, pack, s3_proxy, fault):
        path, item = pack
        view = open_view(path)
        s3_proxy.fault = on("GET", fault=fault)

        with pytest.raises(StoreFailed, match=f"s3://{BUCKET}/store-.*/codestreams.pack: "):
            view.read(0, len(item))

    @pytest.mark.parametrize("read", [read_whole, hash_whole, open_view, file_sizes])
    def test_a_store_that_does_not_answer_is_never_taken_for_damage(self, pack, s3_proxy, read):
        s3_proxy.fault = on("GET", fault="503")

        with pytest.raises(StoreFailed) as failed:
            read(pack[0])

        assert not isinstance(failed.value, Damaged)

    @pytest.mark.parametrize("status", ["401", "403"])
    def test_a_refusal_says_which_credentials_to_set(self, pack, s3_proxy, status):
        s3_proxy.fault = on("GET", fault=status)

        with pytest.raises(StoreFailed, match="AWS_ACCESS_KEY_ID"):
            read_whole(pack[0])

    def test_a_bucket_that_is_not_there_is_told(self, tmp_path, s3_proxy):
        home = Home.create(tmp_path / "none", f"s3://no-such-bucket/a?endpoint={s3_proxy.endpoint}&retries=0")

        for ask in (home.survey, lambda: publish(home, UID), lambda: read_manifest(home.generation_folder(UID, 1))):
            with pytest.raises(StoreFailed, match="no bucket 'no-such-bucket': make it"):
                ask()

    def test_a_server_that_does_not_run_is_told(self, tmp_path):
        home = Home.create(tmp_path / "none", "s3://bucket/a?endpoint=http://127.0.0.1:9&retries=0&timeout_s=1")

        with pytest.raises(StoreFailed, match=r"check that the endpoint runs.*127.0.0.1:9"):
            home.survey()


class TestViews:
    @pytest.fixture
    def stored(self, home):
        """A view of an object of 3 MB, and its bytes."""
        data = np.random.default_rng(3).bytes(3_000_000)
        writer = GenerationWriter(home, UID)
        writer.codestreams.append(data)
        writer.publish(manifest(UID, instances=[record("1.1", writer.headers.append(b"x"), 1)]))
        path = home.generation_folder(UID, 1) / "codestreams.pack"
        return open_view(path), read_whole(path)

    def test_its_size_costs_no_request_of_its_own(self, stored, s3_proxy):
        path, data = stored[0].place, stored[1]
        s3_proxy.requests.clear()
        view = open_view(path)

        assert view.size_bytes == len(data)
        assert [request.range for request in s3_proxy.of("GET")] == ["bytes=-16384"]
        assert not s3_proxy.of("HEAD")

    def test_ranges_come_back_where_they_are_told_to_lie(self, stored):
        view, data = stored
        random = np.random.default_rng(4)
        ranges = np.stack([random.integers(0, 2_900_000, 200), random.integers(0, 5000, 200)], axis=1).astype(np.uint64)

        gathered, moved = view.gather(ranges, len(data))

        for (offset, length), (at, _) in zip(ranges.tolist(), moved.tolist(), strict=True):
            assert gathered[at : at + length].tobytes() == data[offset : offset + length]

    def test_what_was_gathered_is_not_asked_for_again(self, stored, s3_proxy):
        view, data = stored
        ranges = np.array([[0, 1000], [5000, 10], [2_000_000, 70_000]], np.uint64)
        view.gather(ranges, len(data))
        s3_proxy.requests.clear()

        view.gather(ranges[::-1], len(data))
        assert s3_proxy.requests == []
        assert view.forget(ranges)
        view.gather(ranges, len(data))

        assert len(s3_proxy.requests) == 2

    @pytest.mark.parametrize("bad", [(2_999_999, 2), (1 << 63, 10), (5, 1 << 63), (3_000_000, 1)])
    def test_a_range_beyond_the_end_is_not_asked_for_and_lies_outside(self, stored, s3_proxy, bad):
        view, data = stored
        s3_proxy.requests.clear()

        gathered, moved = view.gather(np.array([bad, [7, 3]], np.uint64), 3_000_000)

        assert gathered.tobytes() == data[7:10]
        assert int(moved[0, 0]) + int(moved[0, 1]) > len(gathered)
        assert len(s3_proxy.requests) == 1

    def test_items_read_one_after_another_come_with_what_follows(self, stored, s3_proxy):
        view, data = stored
        s3_proxy.requests.clear()

        for at in range(0, 2_000_000, 20_000):
            assert view.read(at, 20_000) == data[at : at + 20_000]

        assert len(s3_proxy.requests) < 12

    def test_items_read_here_and_there_come_alone(self, stored, s3_proxy):
        view, data = stored
        s3_proxy.requests.clear()

        for at in (2_000_000, 100_000, 1_500_000, 700_000):
            assert view.read(at, 1000) == data[at : at + 1000]

        assert s3_proxy.response_bytes == 4000

    def test_the_parts_of_a_long_run_make_it_up(self, stored, monkeypatch):
        view, data = stored
        monkeypatch.setattr("filmless.storage.store.coalesce.PART_BYTES", 100_000)
        assert PART_BYTES > 100_000

        gathered, _ = view.gather(np.array([[10, 2_500_000]], np.uint64), len(data))

        assert gathered.tobytes() == data[10:2_500_010]


def test_the_cache_lets_go_of_what_was_used_longest_ago():
    cache = ChunkCache(budget_bytes=30)
    a, b, c = (("x", n, 10) for n in range(3))
    cache.keep({a: bytes(10), b: bytes(10), c: bytes(10)})
    cache.find([a])

    cache.keep({("x", 9, 10): bytes(10)})

    assert set(cache.find([a, b, c])) == {a, c}
    assert object_view.CACHE_BYTES > 0

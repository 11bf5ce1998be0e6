"""``sync --sizes``: what is asked, what is kept, and what a mirror may do without stopping it."""

import json
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from cachescope.catalogue.checking import check
from cachescope.jobs.progress import NoProgress
from cachescope.jobs.sizes import SizesOptions
from cachescope.model.archive import ArchiveState
from cachescope.model.errors import MirrorUnavailable, NotInCatalogue
from cachescope.model.mirror import Layout
from tests.catalogues import V2, V3, OpenCatalogue
from tests.commands import start
from tests.mirrors import (
    Node,
    index,
    installs,
    node,
    spec_manifest,
    spec_manifest_place,
    write,
    write_v2,
    write_v3,
)
from tests.servers import HANGING, Answer, MirrorServer, Seen

ROWS = """
SELECT ref || '/' || stack || '@' || view, spec.hash, archive.state, size, digest, media_type, signed
FROM archive JOIN spec ON spec.id = spec_id JOIN source ON source.id = source_id
JOIN mirror ON mirror.id = mirror_id LEFT JOIN archive_kind ON archive_kind.id = kind_id ORDER BY 1, 2
"""


def _mirror(folder: Path, count: int = 30, *, without: Sequence[int] = ()) -> list[Node]:
    """Write a mirror of ``count`` binaries with sizes 1000, 1001, ...; some have no manifest."""
    nodes = [node(f"made-{number}") for number in range(count)]
    write_v3(folder, index(installs(nodes)))
    for number, one in enumerate(nodes):
        if number not in without:
            write(folder, spec_manifest_place(one), spec_manifest(1000 + number))
    return nodes


def _manifests(server: MirrorServer) -> list[str]:
    return [one.path for one in server.requests if "/manifests/spec/" in one.path]


def _known(opened: OpenCatalogue) -> dict[str, int]:
    return {row[1]: row[3] for row in opened.rows(ROWS) if row[3] is not None}


class TestWhatIsRead:
    def test_every_manifest_of_the_sample_says_the_size_of_its_binary(self, opened: OpenCatalogue) -> None:
        opened.sync("crafted/v3-signed", V3)
        (outcome,) = opened.sizes()
        assert (outcome.binaries, outcome.known, outcome.stated, outcome.error) == (90, 90, 90, None)
        expected = {}
        for file in (V3 / "v3/manifests/spec").rglob("*.json"):
            text = file.read_text().split("\n\n", 1)[1].split("-----BEGIN PGP SIGNATURE")[0]
            archive = json.loads(text)["data"][0]
            hash_ = file.name.removesuffix(".spec.manifest.json")[-32:]
            expected[hash_] = (
                0,
                archive["contentLength"],
                bytes.fromhex(archive["checksum"]),
                archive["mediaType"],
                1,
            )
        found = {row[1]: tuple(row[2:]) for row in opened.rows(ROWS)}
        assert found == expected

    def test_unsigned_manifests_are_told_from_signed_ones(
        self, opened: OpenCatalogue, tmp_path: Path
    ) -> None:
        nodes = _mirror(tmp_path, 2)
        write(tmp_path, spec_manifest_place(nodes[0]), spec_manifest(7, signed=True))
        opened.sync("site", tmp_path)
        opened.sizes()
        assert {(row[3], row[6]) for row in opened.rows(ROWS)} == {(7, 1), (1001, 0)}

    def test_layout_v2_has_the_digest_in_the_document_and_the_size_in_the_archive(
        self, opened: OpenCatalogue, tmp_path: Path
    ) -> None:
        shutil.copytree(V2, tmp_path / "m")
        archives: dict[str, int] = {}
        for document in sorted((tmp_path / "m/build_cache").glob("*.spec.json.sig")):
            stem = document.name.removesuffix(".spec.json.sig")
            text = document.read_text().split("\n\n", 1)[1].split("-----BEGIN PGP SIGNATURE")[0]
            spec = json.loads(text)["spec"]["nodes"][0]
            system = "-".join(stem.split("-")[:3])
            folder = f"{spec['compiler']['name']}-{spec['compiler']['version']}"
            archives[spec["hash"]] = size = len(archives) * 10
            # The names are taken from the documents, so that our own arithmetic is held to Spack's.
            rest = stem.removeprefix(f"{system}-{folder}-").removesuffix(f"-{spec['hash']}")
            write(tmp_path / "m", f"build_cache/{system}/{folder}/{rest}/{stem}.spack", b"x" * size)
        assert len(archives) == 77
        with MirrorServer(folder=tmp_path / "m") as server:
            opened.sync("old/two", server.url)
            (outcome,) = opened.sizes("old/two")
            assert {one.method for one in server.requests if one.path.endswith(".spack")} == {"HEAD"}
        assert (outcome.layout, outcome.known, outcome.binaries) == (Layout.V2, 77, 77)
        assert _known(opened) == archives
        assert {row[6] for row in opened.rows(ROWS)} == {1}

    def test_unsigned_document_of_layout_v2_counts_where_there_is_no_signed_one(
        self, opened: OpenCatalogue, tmp_path: Path
    ) -> None:
        one = node("made", compiler={"name": "gcc", "version": "12.2.0"})
        write_v2(tmp_path, index(installs([one])))
        place = f"linux-debian12-x86_64_v3-none-none-made-1.0-{one['hash']}"
        document = {
            "spec": {"nodes": [{"name": "made", "hash": one["hash"]}]},
            "binary_cache_checksum": {"hash_algorithm": "sha256", "hash": "ab" * 32},
        }
        write(tmp_path, f"build_cache/{place}.spec.json", json.dumps(document).encode())
        write(tmp_path, f"build_cache/linux-debian12-x86_64_v3/none-none/made-1.0/{place}.spack", b"x" * 321)
        opened.sync("site", tmp_path)
        (outcome,) = opened.sizes()
        assert outcome.reasons == ()
        assert [row[2:] for row in opened.rows(ROWS)] == [(0, 321, b"\xab" * 32, "", 0)]

    def test_a_view_takes_over_what_its_mirror_knows(self, opened: OpenCatalogue) -> None:
        with MirrorServer(folder=V3) as server:
            opened.sync("crafted/v3-signed", server.url)
            opened.sizes()
            asked = len(_manifests(server))
            opened.sync("crafted/v3-signed@science", server.url)
            whole, view = opened.sizes()
            assert len(_manifests(server)) == asked == 90
        assert (str(view.name), view.known, view.binaries) == ("crafted/v3-signed@science", 13, 13)
        assert whole.stated == 0

    def test_the_same_hash_in_two_mirrors_may_be_other_bytes(
        self, opened: OpenCatalogue, tmp_path: Path
    ) -> None:
        one = node("made")
        for name, size in (("a", 10), ("b", 20)):
            write_v3(tmp_path / name, index(installs([one])))
            write(tmp_path / name, spec_manifest_place(one), spec_manifest(size))
            opened.sync(f"site/{name}", tmp_path / name)
        opened.sizes()
        assert [row[3] for row in opened.rows(ROWS)] == [10, 20]
        places = opened.reader.spec(one["hash"]).places
        assert [place.archive.size for place in places if place.archive is not None] == [10, 20]

    def test_mentioned_specs_are_not_asked_for(self, opened: OpenCatalogue, tmp_path: Path) -> None:
        nodes = [node("here"), node("there")]
        write_v3(tmp_path, index(installs(nodes[:1], mentioned=nodes[1:])))
        write(tmp_path, spec_manifest_place(nodes[0]), spec_manifest(5))
        opened.sync("site", tmp_path)
        (outcome,) = opened.sizes()
        assert (outcome.binaries, outcome.known, outcome.missing) == (1, 1, 0)

    def test_only_named_mirrors_are_asked(self, opened: OpenCatalogue, tmp_path: Path) -> None:
        for name in "ab":
            _mirror(tmp_path / name, 3)
            opened.sync(f"site/{name}", tmp_path / name)
        assert [str(one.name) for one in opened.sizes("site/b")] == ["site/b"]
        assert [(str(one.name), one.stated) for one in opened.sizes()] == [("site/a", 3), ("site/b", 0)]


class TestOnlyWhatIsNotKnown:
    def test_a_second_run_asks_nothing(self, opened: OpenCatalogue, tmp_path: Path) -> None:
        _mirror(tmp_path)
        with MirrorServer(folder=tmp_path) as server:
            opened.sync("site", server.url)
            opened.sizes()
            before = len(server.requests)
            (outcome,) = opened.sizes()
            assert len(server.requests) == before
        assert (outcome.known, outcome.stated) == (30, 0)

    def test_a_missing_manifest_is_a_stated_fact_until_some_time_has_passed(
        self, opened: OpenCatalogue, tmp_path: Path
    ) -> None:
        nodes = _mirror(tmp_path, 5, without=[2])
        opened.sync("site", tmp_path)
        (first,) = opened.sizes()
        assert (first.stated, first.missing, first.error) == (4, 1, None)
        assert spec_manifest_place(nodes[2]) in first.reasons[0]
        write(tmp_path, spec_manifest_place(nodes[2]), spec_manifest(5))
        opened.pass_time(6.9)
        assert [one.stated for one in opened.sizes()] == [0]
        opened.pass_time(0.2)
        (later,) = opened.sizes()
        assert (later.stated, later.missing, later.known) == (1, 0, 5)

    def test_a_missing_manifest_is_asked_for_again_on_demand(
        self, opened: OpenCatalogue, tmp_path: Path
    ) -> None:
        nodes = _mirror(tmp_path, 5, without=[2])
        opened.sync("site", tmp_path)
        opened.sizes()
        write(tmp_path, spec_manifest_place(nodes[2]), spec_manifest(5))
        (outcome,) = opened.sizes(again=True)
        assert (outcome.stated, outcome.known) == (1, 5)

    def test_a_binary_that_went_and_came_back_is_asked_for_again(
        self, opened: OpenCatalogue, tmp_path: Path
    ) -> None:
        nodes = _mirror(tmp_path, 3)
        opened.sync("site", tmp_path)
        opened.sizes()
        for present in (nodes[1:], nodes):
            opened.pass_time(1)
            write_v3(tmp_path, index(installs(present)))
            opened.sync_again("site")
        write(tmp_path, spec_manifest_place(nodes[0]), spec_manifest(9))
        (outcome,) = opened.sizes()
        assert outcome.stated == 1
        assert _known(opened)[nodes[0]["hash"]] == 9

    def test_new_binaries_alone_are_asked_for_after_a_sync(
        self, opened: OpenCatalogue, tmp_path: Path
    ) -> None:
        _mirror(tmp_path, 3)
        opened.sync("site", tmp_path)
        opened.sizes()
        _mirror(tmp_path, 5)
        opened.sync_again("site")
        (outcome,) = opened.sizes()
        assert (outcome.stated, outcome.known, outcome.binaries) == (2, 5, 5)

    def test_forgetting_a_mirror_forgets_its_sizes(self, opened: OpenCatalogue, tmp_path: Path) -> None:
        _mirror(tmp_path, 3)
        opened.sync("site", tmp_path)
        opened.sizes()
        opened.remove("site")
        assert opened.rows("SELECT * FROM archive") == []


class TestBadMirrors:
    @pytest.mark.parametrize(
        ("document", "reason"),
        [
            (b"", "is empty"),
            (b"<html>login</html>", "web page"),
            (b'{"version": 3, "data": [', "ends in the middle"),
            (b'{"version": 4, "data": []}', "version 4"),
            (b'{"version": 3, "data": []}', "names no archive"),
            (spec_manifest(-1), "the size -1"),
            (spec_manifest(1, contentLength="1"), "malformed"),
            (spec_manifest(1, checksum="../../etc/passwd"), "no checksum"),
            (spec_manifest(1, mediaType="\ud800"), "malformed"),
            (spec_manifest(1, mediaType="application/vnd.spack.db.v8+json"), "names no archive"),
            (spec_manifest(1, signed=True)[:-120], "envelope"),
        ],
    )
    def test_one_bad_manifest_never_stops_the_rest(
        self, opened: OpenCatalogue, tmp_path: Path, document: bytes, reason: str
    ) -> None:
        nodes = _mirror(tmp_path, 6)
        write(tmp_path, spec_manifest_place(nodes[1]), document)
        opened.sync("site", tmp_path)
        (outcome,) = opened.sizes()
        assert (outcome.stated, outcome.unreadable, outcome.error) == (5, 1, None)
        assert reason in outcome.reasons[0]
        assert nodes[1]["hash"] not in _known(opened)

    def test_sizes_beyond_what_a_number_of_the_database_holds_are_refused(
        self, opened: OpenCatalogue, tmp_path: Path
    ) -> None:
        nodes = _mirror(tmp_path, 2)
        write(tmp_path, spec_manifest_place(nodes[0]), spec_manifest(1 << 70))
        opened.sync("site", tmp_path)
        (outcome,) = opened.sizes()
        assert (outcome.stated, outcome.unreadable) == (1, 1)

    def test_a_manifest_that_the_server_cannot_give_is_asked_for_next_time(
        self, opened: OpenCatalogue, tmp_path: Path
    ) -> None:
        nodes = _mirror(tmp_path, 20)
        with MirrorServer(folder=tmp_path) as server:
            opened.sync("site", server.url)
            server.routes[f"/{spec_manifest_place(nodes[4])}"] = Answer(b"", 500)
            (first,) = opened.sizes()
            assert (first.stated, first.not_asked, first.known) == (19, 1, 19)
            assert isinstance(first.error, MirrorUnavailable)
            assert "500" in str(first.error)
            server.routes.clear()
            (second,) = opened.sizes()
            assert (second.stated, second.known, second.error) == (1, 20, None)

    def test_a_mirror_that_is_down_is_one_message_and_few_questions(
        self, opened: OpenCatalogue, tmp_path: Path
    ) -> None:
        _mirror(tmp_path, 200)
        with MirrorServer(folder=tmp_path) as server:
            opened.sync("site", server.url)
            server.requests.clear()
            _answer_all(server, Answer(b"", 503))
            (outcome,) = opened.sizes()
            assert 10 <= len(server.requests) <= 10 + 8 * 4
        assert (outcome.not_asked, outcome.known) == (200, 0)
        assert "cannot answer now (503" in str(outcome.error)

    def test_a_mirror_whose_host_is_gone_keeps_what_was_known_and_others_go_on(
        self, opened: OpenCatalogue, tmp_path: Path
    ) -> None:
        for name in "ab":
            _mirror(tmp_path / name, 15)
        with MirrorServer(folder=tmp_path / "a") as server:
            opened.sync("site/a", server.url)
        opened.sync("site/b", tmp_path / "b")
        gone, well = opened.sizes()
        assert (gone.known, gone.not_asked) == (0, 15)
        assert isinstance(gone.error, MirrorUnavailable)
        assert (well.known, well.error) == (15, None)

    def test_documents_that_are_refused_beside_a_readable_index_are_a_stated_fact(
        self, opened: OpenCatalogue, tmp_path: Path
    ) -> None:
        nodes = _mirror(tmp_path, 40, without=range(30))
        with MirrorServer(folder=tmp_path) as server:
            opened.sync("site", server.url)
            server.routes |= {f"/{spec_manifest_place(one)}": Answer(b"", 403) for one in nodes[:30]}
            (outcome,) = opened.sizes()
            assert (outcome.stated, outcome.refused, outcome.error) == (10, 30, None)
            before = len(server.requests)
            opened.sizes()
            assert len(server.requests) == before
        assert Counter(row[2] for row in opened.rows(ROWS)) == {
            ArchiveState.STATED: 10,
            ArchiveState.REFUSED: 30,
        }

    def test_a_mirror_that_gives_no_access_any_more_is_one_message(
        self, opened: OpenCatalogue, tmp_path: Path
    ) -> None:
        _mirror(tmp_path, 100)
        with MirrorServer(folder=tmp_path) as server:
            opened.sync("site", server.url)
            _answer_all(server, Answer(b"", 403))
            (outcome,) = opened.sizes()
        assert "gives no access" in str(outcome.error)
        assert (outcome.refused, outcome.not_asked) == (0, 100)
        assert opened.rows(ROWS) == []

    def test_a_mirror_that_is_removed_meanwhile_is_told(self, opened: OpenCatalogue, tmp_path: Path) -> None:
        _mirror(tmp_path, 700)
        opened.sync("site", tmp_path)

        class Removing(NoProgress):
            def sized(self, name: str, done: int, total: int) -> None:
                if (name, done, total) == ("site/root", 5, 700):
                    with OpenCatalogue(opened.address) as other:
                        other.remove("site")

        (outcome,) = opened.sizes(progress=Removing())
        assert isinstance(outcome.error, NotInCatalogue)
        assert opened.rows("SELECT * FROM archive") == []


class TestManyAtATime:
    def test_no_host_is_asked_more_than_its_bound_at_a_time(
        self, opened: OpenCatalogue, tmp_path: Path
    ) -> None:
        _mirror(tmp_path, 40)
        most, now, changed = 0, 0, threading.Condition()
        with MirrorServer(folder=tmp_path) as server:
            plain = server.answer

            def watched(request: Seen) -> Answer:
                nonlocal most, now
                with changed:
                    now += 1
                    most = max(most, now)
                    changed.notify_all()
                    # The first ones wait for each other, however slowly they come; then time for one too many to come.
                    changed.wait_for(lambda: most >= 3, 4)
                time.sleep(0.01)
                with changed:
                    now -= 1
                return plain(request)

            for name in "ab":  # two mirrors of one host share its bound
                opened.sync(f"site/{name}", server.url if name == "a" else f"{server.url}/")
            server.answer = watched  # type: ignore[method-assign] # to watch every question
            opened.sizes(connections_per_host=3)
        assert most == 3

    def test_a_server_that_asks_for_patience_is_given_it(self, catalogue_file: Path, tmp_path: Path) -> None:
        _mirror(tmp_path, 30)
        told: list[float] = []
        with (
            MirrorServer(folder=tmp_path) as server,
            OpenCatalogue(catalogue_file, retries=2, longest_wait=5) as opened,
        ):
            opened.sync("site", server.url)
            plain = server.answer

            def busy(request: Seen) -> Answer:
                if "/spec/" in request.path and not told:
                    told.append(time.monotonic())
                    return Answer(b"", 429, {"Retry-After": "1"})
                return plain(request)

            server.answer = busy  # type: ignore[method-assign] # to be busy once
            (outcome,) = opened.sizes(connections_per_host=1)
            assert time.monotonic() - told[0] >= 1
        assert (outcome.stated, outcome.error) == (30, None)

    def test_progress_counts_every_binary(self, opened: OpenCatalogue, tmp_path: Path) -> None:
        _mirror(tmp_path, 12, without=[3])
        opened.sync("site", tmp_path)
        told: list[tuple[str, int, int]] = []

        class Telling(NoProgress):
            def sized(self, name: str, done: int, total: int) -> None:
                told.append((name, done, total))

        opened.sizes(progress=Telling())
        assert told == [("site/root", done, 12) for done in range(1, 13)]


class TestStopped:
    def test_ctrl_c_keeps_what_was_read(self, opened: OpenCatalogue, tmp_path: Path) -> None:
        _mirror(tmp_path, 100)

        class Interrupting(NoProgress):
            def sized(self, name: str, done: int, total: int) -> None:
                assert (name, total) == ("site/root", 100)
                if done == 20:
                    raise KeyboardInterrupt

        with MirrorServer(folder=tmp_path) as server:
            opened.sync("site", server.url)
            with pytest.raises(KeyboardInterrupt):
                opened.sizes(progress=Interrupting())
            kept = len(_known(opened))
            assert kept >= 20
            (outcome,) = opened.sizes()
        assert outcome.stated == 100 - kept
        assert outcome.known == 100

    def test_a_killed_run_goes_on_where_it_stood(self, opened: OpenCatalogue, tmp_path: Path) -> None:
        nodes = _mirror(tmp_path, 120)
        with MirrorServer(folder=tmp_path) as server:
            opened.sync("site", server.url)
            # The last documents hang: the others are read, and are kept within a second.
            for one in nodes:
                if one["hash"] >= sorted(other["hash"] for other in nodes)[100]:
                    server.routes[f"/{spec_manifest_place(one)}"] = Answer(spec_manifest(1), delay=0.8)
            ours, sessions = set(server.connections()), _sessions(opened)
            with start("sync", "site", "--sizes", db=opened.address) as killed:
                _wait_until(lambda: len(_known(opened)) >= 60)
                killed.kill()
                killed.communicate(timeout=60)
            # What it had asked is counted, and what it had sent to be written is written, also after its end.
            _wait_until(lambda: set(server.connections()) <= ours and _sessions(opened) <= sessions)
            kept = len(_known(opened))
            server.routes.clear()
            server.requests.clear()
            (outcome,) = opened.sizes()
            assert len(_manifests(server)) == 120 - kept
        assert (outcome.known, outcome.stated) == (120, 120 - kept)
        assert check(opened.catalogue).findings == ()

    def test_ctrl_c_does_not_wait_for_a_silent_host(self, opened: OpenCatalogue, tmp_path: Path) -> None:
        at_once = SizesOptions().connections_per_host
        nodes = _mirror(tmp_path, at_once + 1)
        answers = iter([Answer(spec_manifest(1))])
        with MirrorServer(folder=tmp_path) as server:
            opened.sync("site", server.url)
            for one in nodes:
                server.routes[f"/{spec_manifest_place(one)}"] = lambda _: next(answers, HANGING)
            server.requests.clear()
            with start("sync", "site", "--sizes", db=opened.address) as interrupted:
                # The last one is asked by who had the answer of the first.
                _wait_until(lambda: len(_manifests(server)) == at_once + 1)
                time.sleep(1)  # until the thread that writes has taken that answer up, and waits for the next
                started = time.monotonic()
                interrupted.send_signal(2)
                interrupted.communicate(timeout=60)
                assert time.monotonic() - started < 15  # silence is borne for 60 s
        assert interrupted.returncode == 130
        assert len(_known(opened)) == 1


def _answer_all(server: MirrorServer, answer: Answer) -> None:
    """Answer every question so, whatever it is about."""

    def answered(request: Seen) -> Answer:
        del request
        return answer

    server.answer = answered  # type: ignore[method-assign] # in place of routes and folder


def _sessions(opened: OpenCatalogue) -> set[int]:
    """Return the processes of the database server that work at this catalogue, but for the one that is asked."""
    if isinstance(opened.address, Path):
        return set()
    statement = (
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    return {pid for (pid,) in opened.rows(statement)}


def _wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 90
    while not is_so():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.02)

"""Kept lines are never wrong: each exposition equals one that is rendered from nothing."""

import contextlib
import gc
import gzip
import random
import subprocess
import sys
import threading
import uuid
import weakref
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from observations import ANNA, DAY, FACTS, NOW, Renderer, down, key, up
from prometheus_client.utils import floatToGoString
from support import plain

from exporter.docspace.errors import Timeout
from exporter.docspace.model import REMOVED_CREATOR, ApiKey, Creator
from exporter.docspace.observation import Observation, PortalFacts
from exporter.docspace.snapshot import Snapshot
from exporter.metrics import blocks, gzipped
from exporter.metrics.catalogue import ExporterView
from exporter.metrics.exposition import Format
from exporter.metrics.gzipped import Stretch, combine, deflate, member
from exporter.metrics.lines import go_number

FORMATS: list[Format] = ["text", "openmetrics"]
EXPORTER = ExporterView("1.2.3", "0a1b2c3", "3.13.0", True, NOW - 60, 4, 1, 2)  # noqa: FBT003, reload_successful


def shots(*observations: Observation, now: float = NOW) -> list[Snapshot]:
    return [Snapshot.at(observation, now) for observation in observations]


def check(
    renderer: Renderer, snapshots: Sequence[Snapshot], own: ExporterView | None = None
) -> None:
    """Compare each kind of exposition with the plain one."""
    for form in FORMATS:
        expected = plain.exposition(snapshots, own, form)
        assert gunzipped(renderer.expose(snapshots, own, form, compressed=True)) == expected
        assert renderer.expose(snapshots, own, form) == expected


def gunzipped(body: bytes) -> bytes:
    """The text of one gzip member."""
    reader = zlib.decompressobj(wbits=31)
    text = reader.decompress(body)
    assert (reader.eof, reader.unused_data) == (True, b"")
    return text


# Any names

NAMES = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
NUMBERS = st.none() | st.floats(allow_nan=True) | st.sampled_from([0.0, -0.0, 1.0, 1e6, 999999.5])


@given(
    st.lists(
        st.builds(
            lambda name, scopes, people, **fields: key(
                name=name, permissions=tuple(scopes), creator=Creator(*people), **fields
            ),
            NAMES,
            st.lists(NAMES, min_size=1, max_size=3),
            st.tuples(NAMES, NAMES),
            id=NAMES,
            postfix=NAMES,
            created=NUMBERS,
            last_used=NUMBERS,
            expires=NUMBERS,
        ),
        max_size=5,
    ),
    NAMES,
    st.dictionaries(st.sampled_from(["a", "env", "zone"]), NAMES),
    st.sets(st.sampled_from(["creator", "key_name", "permissions"])),
)
@example([key(name='%s %d \\ " \n {}')], "100%", {"env": "%s"}, set())
def test_any_names_and_numbers(
    keys: list[ApiKey], portal: str, labels: dict[str, str], withhold: set[str]
) -> None:
    changes = {"labels": tuple(sorted(labels.items())), "withhold": frozenset(withhold)}
    check(Renderer(), shots(up(keys, name=portal, settings=changes)), EXPORTER)


@given(st.floats() | st.integers(-(10**18), 10**18) | st.booleans())
@example(999_999.0)
@example(1_000_000.0)
@example(1234567.5)
@example(1e15)
@example(9007199254740993.0)
@example(1e16)
@example(1.5e300)
@example(-1234567.5)
@example(float("inf"))
@example(float("-inf"))
@example(float("nan"))
def test_number_is_written_as_prometheus_client_writes_it(number: float) -> None:
    assert go_number(number) == floatToGoString(number)


# Any changes, in any order

PEOPLE = [ANNA, Creator("x", "X"), Creator(REMOVED_CREATOR, "profile removed"), None]


class World:
    """Some portals whose keys change at random; the same seed is the same history."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311, a history
        self.now = NOW
        self.number = 0
        self.portals = {name: self.keys(self.random.randrange(140)) for name in ("a", "b", "c")}
        self.settings: dict[str, dict[str, Any]] = {name: {} for name in self.portals}
        self.disabled: frozenset[str] | None = None

    def keys(self, count: int) -> list[ApiKey]:
        """New keys."""
        return [self.key() for _ in range(count)]

    def key(self) -> ApiKey:
        """A new key, perhaps with a name of another one."""
        self.number += 1
        return key(
            self.number,
            name=self.random.choice(["backup", "sync", f"key {self.number}"]),
            creator=self.random.choice(PEOPLE),
            is_active=self.random.random() < 0.8,
            created=self.random.choice([None, self.now - self.random.randrange(10**7)]),
            last_used=self.random.choice([None, self.now - self.random.random()]),
            expires=self.random.choice([None, self.now + self.random.randrange(-10, 10) * DAY]),
        )

    def change(self) -> None:
        """Make one change, as between two scrapes."""
        name = self.random.choice(sorted(self.portals))
        self.random.choice([self.use, self.use, self.move, self.move, self.beside])(name)

    def use(self, name: str) -> None:
        """Change some keys of a portal."""
        keys = self.portals[name]
        for place in self.random.sample(range(len(keys)), len(keys) // 20 or min(len(keys), 1)):
            edited = {"name": "edited", "is_active": not keys[place].is_active}
            used = {"last_used": self.now + self.random.random()}
            keys[place] = replace(keys[place], **self.random.choice([used, used, edited]))

    def move(self, name: str) -> None:
        """Add, remove and move keys."""
        keys = self.portals[name]
        at = self.random.randrange(len(keys) + 1)
        what = self.random.choice(["create", "create", "delete", "swap", "shuffle", "all", "none"])
        if what == "create":
            keys[at:at] = self.keys(self.random.choice([1, 1, 1, 40]))
        elif what == "delete":
            del keys[at : at + self.random.choice([1, 1, 30])]
        elif what == "swap":
            keys[at : at + 2] = reversed(keys[at : at + 2])
        elif what == "shuffle":
            self.random.shuffle(keys)
        elif what == "all":
            keys[:] = [replace(each, name=each.name + "'") for each in keys]
        else:
            keys.clear()

    def beside(self, name: str) -> None:
        """Change something else: the time, the people, the settings, or nothing."""
        what = self.random.choice(["time", "people", "settings", "nothing"])
        if what == "time":
            self.now += self.random.choice([1.0, 3 * DAY])
        elif what == "people":
            self.disabled = self.random.choice([None, frozenset(), frozenset({"x"})])
        elif what == "settings":
            hidden = {"withhold": frozenset({"key_name", "creator"})}
            self.settings[name] = self.random.choice([{}, {"labels": (("env", "x"),)}, hidden])

    def snapshots(self) -> list[Snapshot]:
        """Some of the portals; sometimes one of them is down."""
        names = self.random.sample(sorted(self.portals), self.random.choice([1, 3, 3]))
        return shots(*map(self.observation, names), now=self.now)

    def observation(self, name: str) -> Observation:
        """The result of a fetch now."""
        if self.random.random() < 0.1:
            return down(Timeout("x"), name=name, settings=self.settings[name])
        facts = PortalFacts(FACTS.visibility, FACTS.version, self.disabled)
        return up(self.portals[name], name=name, facts=facts, settings=self.settings[name])


@settings(max_examples=settings.default.max_examples // 2)  # each takes a third of a second
@given(st.integers(0, 2**32))
@example(2314477)  # two keys of a group change places
def test_any_history(seed: int) -> None:
    world = World(seed)
    renderer = Renderer()
    for _ in range(12):
        check(renderer, world.snapshots())
        for _ in range(world.random.choice([1, 1, 3])):
            world.change()


def test_neighbours_that_change_places() -> None:
    renderer = Renderer()
    keys = [key(number) for number in range(10)]
    check(renderer, shots(up(keys)))
    check(renderer, shots(up([*keys[:3], keys[4], keys[3], *keys[5:]])))


def test_older_snapshot_after_a_newer_one() -> None:
    """As of two scrapes that overlap."""
    renderer = Renderer()
    keys = [key(number) for number in range(100)]
    older = shots(up(keys))
    newer = shots(up([key(100), *keys[:50], replace(keys[50], name="new"), *keys[51:]]))
    for snapshots in (older, newer, older, newer):
        check(renderer, snapshots)


def test_key_expires_although_nothing_of_it_changed() -> None:
    """When the newer key expires, the older one is no longer superseded."""
    older = key(1, created=NOW - 2, expires=NOW + 50)
    newer = key(2, created=NOW - 1, expires=NOW + 60)
    observation = up([older, newer])
    renderer = Renderer()
    before = shots(observation)
    after = shots(observation, now=NOW + 61)
    assert (before[0].superseded, after[0].superseded) == ({older.id}, frozenset())
    check(renderer, before)
    check(renderer, after)


# What is made again


def counted(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> list[Any]:
    """The first arguments of the calls of a function from now on."""
    calls: list[Any] = []
    original = getattr(owner, name)

    def counting(*args: Any, **kwargs: Any) -> Any:
        calls.append(args[0])
        return original(*args, **kwargs)

    monkeypatch.setattr(owner, name, counting)
    return calls


LISTED = [key(number, last_used=NOW, expires=NOW + DAY) for number in range(500)]


@pytest.fixture
def warm() -> Renderer:
    """A renderer that knows 500 keys."""
    renderer = Renderer()
    renderer.expose(shots(up(LISTED)), None, "text", compressed=True)
    return renderer


def test_nothing_is_made_again_where_nothing_changed(
    warm: Renderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = counted(monkeypatch, blocks.PortalBlocks, "_lines")
    deflated = counted(monkeypatch, blocks, "deflate")
    warm.expose(shots(up(LISTED)), None, "text", compressed=True)
    warm.expose(shots(up(LISTED)), None, "openmetrics", compressed=True)
    assert (lines, deflated) == ([], [])


def test_key_that_was_used_costs_its_lines_and_one_text(
    warm: Renderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = counted(monkeypatch, blocks.PortalBlocks, "_lines")
    deflated = counted(monkeypatch, blocks, "deflate")
    used = [*LISTED[:99], replace(LISTED[99], last_used=NOW + 1), *LISTED[100:]]
    warm.expose(shots(up(used)), None, "text", compressed=True)
    assert (len(lines), len(deflated)) == (2, 1)  # as they were, and as they are
    assert b"last_used" in deflated[0]


@pytest.mark.parametrize("at", [0, 250, 500])
def test_key_that_comes_or_goes_costs_its_neighbours(
    warm: Renderer, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """Its group, and the few after it if the group is full."""
    lines = counted(monkeypatch, blocks.PortalBlocks, "_lines")
    deflated = counted(monkeypatch, blocks, "deflate")
    for keys in ([*LISTED[:at], key(501), *LISTED[at:]], LISTED):
        lines.clear()
        deflated.clear()
        warm.expose(shots(up(keys)), None, "text", compressed=True)
        assert len(lines) < len(LISTED) / 2
        assert len(deflated) <= 6 * len(blocks.KEY_ROWS)  # of about 16


def test_scrapes_at_once_share_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = counted(monkeypatch, blocks.PortalBlocks, "_lines")
    deflated = counted(monkeypatch, blocks, "deflate")
    renderer = Renderer()
    snapshots = shots(up(LISTED))
    bodies: list[bytes] = []

    def scrape() -> None:
        bodies.append(renderer.expose(snapshots, None, "text", compressed=True))

    threads = [threading.Thread(target=scrape) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(bodies)) == 1
    assert len(lines) == len(LISTED)
    assert len(deflated) == len({id(text) for text in deflated})


# Work that is cut short


class CutError(Exception):
    """Ends the rendering in these tests."""


def cut_after(calls: int) -> Callable[[], None]:
    """A function that raises after this number of calls."""
    left = iter(range(calls))

    def check() -> None:
        if next(left, None) is None:
            raise CutError

    return check


@pytest.mark.parametrize("compressed", [True, False])
def test_what_was_rendered_before_the_end_of_a_scrape_is_not_rendered_again(
    monkeypatch: pytest.MonkeyPatch, *, compressed: bool
) -> None:
    lines = counted(monkeypatch, blocks.PortalBlocks, "_lines")
    deflated = counted(monkeypatch, blocks, "deflate")
    renderer = Renderer()
    (snapshot,) = shots(up(LISTED))
    cuts = 0
    while True:
        try:
            renderer.lines(snapshot, cut_after(5), compressed=compressed)
            break
        except CutError:
            cuts += 1
    assert cuts > 1
    assert len(lines) == len(LISTED)
    assert len(deflated) == len({id(text) for text in deflated})
    check(renderer, [snapshot])


@settings(max_examples=settings.default.max_examples // 2)  # each takes a third of a second
@given(st.integers(0, 2**32))
def test_any_history_that_is_cut_short_anywhere(seed: int) -> None:
    world = World(seed)
    renderer = Renderer()
    for _ in range(6):
        for snapshot in world.snapshots():
            for compressed in (True, False):
                with contextlib.suppress(CutError):
                    steps = world.random.choice([0, 1, 3, 10])
                    renderer.lines(snapshot, cut_after(steps), compressed=compressed)
        for _ in range(world.random.choice([1, 1, 3])):
            world.change()
    check(renderer, world.snapshots())


def test_lines_that_are_there_already_are_never_cut_short(warm: Renderer) -> None:
    (snapshot,) = shots(up(LISTED))
    assert warm.lines(snapshot, cut_after(0), compressed=True).families


def test_a_scrape_does_not_wait_past_its_end_for_one_that_renders_the_same_portal() -> None:
    renderer = Renderer()
    (snapshot,) = shots(up(LISTED))
    rendering, going_on = threading.Event(), threading.Event()

    def pause() -> None:
        rendering.set()
        assert going_on.wait(60)

    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(renderer.lines, snapshot, pause, compressed=False)
        assert rendering.wait(60)
        with pytest.raises(CutError):
            renderer.lines(snapshot, cut_after(0), compressed=False)
        assert not slow.done()
        going_on.set()
        assert slow.result(60).families


# Nothing grows


def alive(kind: type) -> int:
    gc.collect()
    return sum(isinstance(each, kind) for each in gc.get_objects())


def test_nothing_is_left_of_older_lists() -> None:
    renderer = Renderer()
    world = World(1)
    renderer.expose(shots(up(world.keys(200))), None, "text", compressed=True)
    before = alive(blocks.Text)
    for _ in range(30):
        renderer.expose(shots(up(world.keys(200))), None, "text", compressed=True)
    assert alive(blocks.Text) <= before * 3  # not 30 times as many


def test_keys_are_not_kept_beyond_the_next_list() -> None:
    class Traced(Creator):
        __slots__ = ("__weakref__",)

    renderer = Renderer()
    creator = Traced("x", "X")
    reference = weakref.ref(creator)
    renderer.expose(shots(up([key(creator=creator)])), None, "text")
    renderer.expose(shots(up([key(2)])), None, "text")
    del creator
    gc.collect()
    assert reference() is None


def test_portals_that_are_gone_are_forgotten() -> None:
    before = alive(blocks.PortalBlocks)
    renderer = Renderer()
    for number in range(10):
        renderer.expose(shots(up(LISTED, name=f"portal {number}")), None, "text")
    renderer.keep(frozenset({"portal 3", "never seen"}))
    assert alive(blocks.PortalBlocks) == before + 1


def test_a_scrape_that_ends_after_its_portal_was_removed_keeps_nothing() -> None:
    before = alive(blocks.PortalBlocks)
    renderer = Renderer()
    renderer.keep(frozenset({"kept"}))
    check(renderer, shots(up(LISTED, name="gone")))
    check(renderer, shots(up(LISTED, name="kept")))
    gc.collect()
    assert alive(blocks.PortalBlocks) == before + 1


def test_other_settings_start_anew() -> None:
    before = alive(blocks.PortalBlocks)
    renderer = Renderer()
    for value in "abc":
        changes = {"labels": (("env", value),)}
        check(renderer, shots(up(LISTED[:40], settings=changes)))
    assert alive(blocks.PortalBlocks) == before + 1


# Gzip

TEXTS = st.lists(st.binary(max_size=40) | st.binary(max_size=3).map(lambda part: part * 900))


@given(TEXTS, st.data())
def test_member_of_any_stretches(texts: list[bytes], data: st.DataObject) -> None:
    body = member(
        Stretch.of([text], deflate(text)) if data.draw(st.booleans()) else text for text in texts
    )
    assert gunzipped(body) == gzip.decompress(body) == b"".join(texts)


def test_member_with_combined_checksums(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gzipped, "_COMBINED", 1)
    check(Renderer(), shots(up(LISTED), up(LISTED[:100], name="b")), EXPORTER)


@given(st.binary(), st.binary(max_size=300), st.integers(0, 5))
def test_checksums_are_combined(first: bytes, second: bytes, times: int) -> None:
    second *= 10**times
    assert combine(zlib.crc32(first), zlib.crc32(second), len(second)) == zlib.crc32(first + second)


def test_gunzip_reads_it() -> None:
    body = Renderer().expose(shots(up(LISTED)), None, "text", compressed=True)
    unzipped = subprocess.run(["gunzip", "-c"], input=body, capture_output=True, check=True)
    assert (unzipped.stdout, unzipped.stderr) == (
        plain.exposition(shots(up(LISTED)), None, "text"),
        b"",
    )


def test_same_text_is_the_same_member() -> None:
    made = [Renderer().expose(shots(up(LISTED)), None, "text", compressed=True) for _ in range(2)]
    assert made[0] == made[1]


def test_stretches_cost_little_against_one() -> None:
    """With ids like those of portals, which cannot be compressed."""
    chance = random.Random(1)  # noqa: S311, ids of a test
    keys = [key(id=str(uuid.UUID(int=chance.getrandbits(128)))) for _ in range(1000)]
    body = Renderer().expose(shots(up(keys)), None, "text", compressed=True)
    assert len(body) < 1.25 * len(gzip.compress(gunzipped(body), 5))


def test_importing_it_loads_no_http_server() -> None:
    script = "import sys, exporter.metrics.catalogue; print('prometheus_client' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"

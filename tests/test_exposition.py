"""The exposition, byte for byte and as parsers read it.

The golden files are written anew by ``python tests/test_exposition.py --update``; what changed
then is to be read before it is committed.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from observations import DAY, NOW, Renderer, down, key, parse_keys, up
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from exporter.docspace.errors import Timeout
from exporter.docspace.model import REMOVED_CREATOR, ApiKey, Creator
from exporter.docspace.observation import Observation, PortalFacts
from exporter.docspace.snapshot import Snapshot
from exporter.docspace.wire import Malformed
from exporter.metrics.catalogue import ExporterView
from exporter.metrics.exposition import Format, process_metrics

GOLDEN = Path(__file__).parent / "golden"
FILES: dict[Format, Path] = {
    "text": GOLDEN / "text.prom",
    "openmetrics": GOLDEN / "openmetrics.prom",
}
READERS: dict[Format, Callable[[str], Iterable[Metric]]] = {
    "text": read_text,
    "openmetrics": read_openmetrics,
}
FORMATS = list(FILES)
DISABLED = Creator("5a1e7c1e-0000-4000-8000-000000000002", "Bruno")
EXPORTER = ExporterView("1.2.3", "0a1b2c3", "3.13.0", True, NOW - 60, 4, 1, 2)  # noqa: FBT003, reload_successful


def sample() -> list[Observation]:
    """A portal with awkward keys and labels, one that is down, one that withholds."""
    own = key(
        1,
        name="docspace-exporter",
        permissions=("*:read",),
        last_used=NOW,
        expires=NOW + 90 * DAY,
    )
    keys = [
        own,
        key(
            2,
            name='say "hi" \\ bye',
            creator=Creator("x", "Liam O'Brien <b>"),
            last_used=NOW - 0.25,
            expires=NOW + 3 * DAY + 0.5,
        ),
        key(3, name="two\nlines,\tand=more{}", expires=NOW + 20 * DAY, is_active=False),
        key(4, name="備份 🚀 café", permissions=("files:read", "rooms:write"), expires=NOW - 1),
        key(5, name="", postfix="", creator=None, created=None),
        key(6, creator=Creator(REMOVED_CREATOR, "profile removed")),
        key(7, name="nightly", created=NOW - 9 * DAY, expires=NOW + DAY),
        key(8, name="nightly", created=NOW - DAY, expires=NOW + 29 * DAY),
        key(10, name="payroll", creator=DISABLED, last_used=NOW - 180),
    ]
    return [
        up(
            keys,
            own_key=own,
            malformed=[Malformed("record 3", "Expected `object`, got `null`")],
            clock_skew=-2.0,
            facts=PortalFacts("all", "3.7.2.1234", frozenset({DISABLED.id})),
            settings={"labels": (("env", "prod"), ("team", "payments"))},
        ),
        down(Timeout("no complete answer"), last_success=NOW - 3600),
        up(
            [key(9, name="hidden", permissions=("rooms:read",))],
            name="initech",
            facts=PortalFacts("own"),
            settings={"withhold": frozenset({"creator", "key_name", "permissions"})},
        ),
    ]


def exposition(form: Format, observations: Iterable[Observation], now: float = NOW) -> bytes:
    views = [Snapshot.at(observation, now) for observation in observations]
    return Renderer().expose(views, EXPORTER, form)


def with_runtime(form: Format) -> bytes:
    """The full answer of /metrics, with the process that runs this test."""
    views = [Snapshot.at(observation, NOW) for observation in sample()]
    return Renderer(process_metrics()).expose(views, EXPORTER, form)


def update() -> None:
    for form, file in FILES.items():
        file.write_bytes(exposition(form, sample()))


def key_labels(body: bytes, form: Format) -> Iterator[dict[str, str]]:
    """The labels of each `docspace_api_key_info`, as parsed."""
    for family in READERS[form](body.decode()):
        for each in family.samples:
            if each.name == "docspace_api_key_info":
                yield dict(each.labels)


# Golden files


@pytest.mark.parametrize("form", FORMATS)
def test_exposition_is_the_golden_one(form: Format) -> None:
    assert exposition(form, sample()).decode() == FILES[form].read_bytes().decode()


@pytest.mark.parametrize("form", FORMATS)
def test_golden_file_is_read_by_prometheus_clients_own_parser(form: Format) -> None:
    families = list(READERS[form](FILES[form].read_bytes().decode()))
    assert len({family.name for family in families}) == len(families)
    assert sum(family.name.startswith("docspace_") for family in families) == len(families)


def test_both_formats_hold_the_same_samples() -> None:
    found = {}
    for form in FORMATS:
        families = READERS[form](FILES[form].read_bytes().decode())
        found[form] = {
            (each.name, *sorted(each.labels.items())): each.value
            for family in families
            for each in family.samples
        }
    assert found["text"] == found["openmetrics"]


# What must hold of any


@pytest.mark.parametrize("form", FORMATS)
def test_each_family_is_there_once_across_portals(form: Format) -> None:
    lines = with_runtime(form).decode().splitlines()
    types = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert len(types) == len(set(types))


@pytest.mark.parametrize("form", FORMATS)
def test_each_series_is_there_once(form: Format) -> None:
    lines = with_runtime(form).decode().split("\n")
    series = [line.rpartition(" ")[0] for line in lines if line and not line.startswith("#")]
    assert len(series) == len(set(series))


@pytest.mark.parametrize("form", FORMATS)
def test_no_created_series(form: Format) -> None:
    assert b"_created " not in with_runtime(form)
    assert b"_created{" not in with_runtime(form)


def test_promtool_has_no_complaint(promtool: Path) -> None:
    checked = subprocess.run(
        [promtool, "check", "metrics"],
        input=with_runtime("text"),
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


def test_openmetrics_ends_with_eof() -> None:
    assert with_runtime("openmetrics").endswith(b"\n# EOF\n")


@pytest.mark.parametrize("form", FORMATS)
def test_no_secret_is_in_it(form: Format) -> None:
    assert b"hunter2" not in with_runtime(form)


def test_portals_without_any_sample_of_a_family_do_not_show_it() -> None:
    body = exposition("text", [down(Timeout("x"))])
    assert b"docspace_api_key" not in body


# Any names

AWKWARD = st.text(st.characters(codec=None, exclude_categories=()))
PLAIN = st.text(st.characters(exclude_categories=("Cc", "Cs")))


def answer(names: list[str]) -> list[ApiKey]:
    """The keys of a portal's answer with these names."""
    records = [
        {
            "id": f"{number}",
            "isActive": True,
            "name": name,
            "keyPostfix": name,
            "permissions": [name],
            "createBy": {"displayName": name},
        }
        for number, name in enumerate(names)
    ]
    return list(parse_keys(json.dumps({"response": records}).encode()).keys)


@pytest.mark.parametrize("form", FORMATS)
@given(names=st.lists(AWKWARD, min_size=1, max_size=4))
@example(names=['"', "\\", "\n", "\\n", '\\"', "\\\\n", "\ud83d\ude80", "\udc00", "\x00", ""])
@example(names=['a="b",c', "} 1", "# EOF", "\r\n", "\u2028", "\x85", "\ufeff", " x ", "\t", "*"])
def test_any_name_is_read_back_as_it_was(form: Format, names: list[str]) -> None:
    """From the portal's JSON to a parser of the exposition, also with lone surrogates."""
    keys = answer(names)
    body = exposition(form, [up(keys)])
    assert b"\0" not in body
    assert {labels["key_id"]: labels for labels in key_labels(body, form)} == {
        each.id: {
            "portal": "acme",
            "key_id": each.id,
            "key_name": each.name,
            "creator_status": "unknown",
            "key_postfix": each.postfix,
            "creator": each.creator.name if each.creator else "",
            "access": each.access,
            "permissions": ",".join(each.permissions),
        }
        for each in keys
    }


@pytest.mark.parametrize("form", FORMATS)
@given(name=PLAIN)
def test_any_name_of_a_portal_is_read_back_as_it_was(form: Format, name: str) -> None:
    (labels,) = key_labels(exposition(form, [up([key()], name=name)]), form)
    assert labels["portal"] == name


@given(st.lists(AWKWARD, min_size=1, max_size=3))
@example(['"', "\\", "\n", "\\n", "\ud83d\ude80", "\udc00", "\x00", "\r", "\u2028", "\x85", "\x1b"])
def test_every_line_is_a_sample_a_comment_or_nothing(names: list[str]) -> None:
    """No name breaks out of its line."""
    plain = exposition("text", [up(answer(["x"] * len(names)))]).count(b"\n")
    assert exposition("text", [up(answer(names))]).count(b"\n") == plain


if __name__ == "__main__":
    if sys.argv[1:] != ["--update"]:
        sys.exit("usage: python tests/test_exposition.py --update")
    update()

"""Names, types and labels of all metrics, on which alerts and dashboards depend."""

import runpy
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from observations import ANNA, FACTS, NOW, Renderer, down, key, up
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read

from exporter.docspace.errors import REASONS, NotFound, Timeout
from exporter.docspace.model import REMOVED_CREATOR, Creator
from exporter.docspace.observation import Observation, PortalFacts
from exporter.docspace.snapshot import Snapshot
from exporter.metrics.catalogue import EXPORTER_ROWS, KEY_ROWS, PORTAL_ROWS, ExporterView
from exporter.metrics.lines import Row, Table

DOCS = Path(__file__).parent.parent / "docs"

# The public contract: to remove or rename anything here breaks alerts and dashboards.
PORTAL = {"portal"}
KEY = {"portal", "key_id", "key_name"}
CONTRACT: dict[str, tuple[str, set[str]]] = {
    "docspace_up": ("gauge", PORTAL),
    "docspace_api_keys": ("gauge", PORTAL),
    "docspace_api_keys_active": ("gauge", PORTAL),
    "docspace_api_keys_expiring": ("gauge", PORTAL | {"within"}),
    "docspace_api_keys_expired": ("gauge", PORTAL),
    "docspace_api_keys_disabled": ("gauge", PORTAL),
    "docspace_api_keys_never_expiring": ("gauge", PORTAL),
    "docspace_api_keys_unrestricted": ("gauge", PORTAL),
    "docspace_api_keys_never_used": ("gauge", PORTAL),
    "docspace_api_keys_stale": ("gauge", PORTAL | {"unused_for"}),
    "docspace_api_keys_last_created_timestamp_seconds": ("gauge", PORTAL),
    "docspace_api_keys_orphaned": ("gauge", PORTAL),
    "docspace_api_keys_superseded": ("gauge", PORTAL),
    "docspace_api_keys_malformed": ("gauge", PORTAL),
    "docspace_portal_info": ("info", PORTAL | {"url", "visibility", "version"}),
    "docspace_scrape_duration_seconds": ("gauge", PORTAL),
    "docspace_scrape_errors_total": ("counter", PORTAL | {"reason"}),
    "docspace_scrape_last_success_timestamp_seconds": ("gauge", PORTAL),
    "docspace_exporter_key_info": ("info", PORTAL | {"key_id"}),
    "docspace_exporter_key_expiry_timestamp_seconds": ("gauge", PORTAL),
    "docspace_clock_skew_seconds": ("gauge", PORTAL),
    "docspace_api_key_info": (
        "info",
        KEY | {"key_postfix", "creator", "creator_status", "access", "permissions"},
    ),
    "docspace_api_key_active": ("gauge", KEY),
    "docspace_api_key_expiry_timestamp_seconds": ("gauge", KEY),
    "docspace_api_key_created_timestamp_seconds": ("gauge", KEY),
    "docspace_api_key_last_used_timestamp_seconds": ("gauge", KEY),
    "docspace_api_key_orphaned": ("gauge", KEY),
    "docspace_api_key_superseded": ("gauge", KEY),
    "docspace_exporter_build_info": ("info", {"version", "revision", "python_version"}),
    "docspace_exporter_config_last_reload_successful": ("gauge", set()),
    "docspace_exporter_config_last_reload_success_timestamp_seconds": ("gauge", set()),
    "docspace_exporter_coalesced_scrapes_total": ("counter", set()),
    "docspace_exporter_internal_errors_total": ("counter", set()),
    "docspace_exporter_rejected_scrapes_total": ("counter", set()),
}

EXPORTER = ExporterView("1.2.3", "0a1b2c3", "3.13.0", False, NOW, 4, 1, 2)  # noqa: FBT003, reload_successful
ROWS: list[Row[Any]] = [*PORTAL_ROWS, *KEY_ROWS, *EXPORTER_ROWS]
UNKNOWN = (
    "docspace_clock_skew_seconds",
    "docspace_exporter_key_info",
    "docspace_exporter_key_expiry_timestamp_seconds",
    "docspace_api_keys_last_created_timestamp_seconds",
    "docspace_api_key_expiry_timestamp_seconds",
    "docspace_api_key_created_timestamp_seconds",
    "docspace_api_key_last_used_timestamp_seconds",
    "docspace_api_key_orphaned",
)


def everything() -> Observation:
    """An observation in which all values are known."""
    full = key(1, last_used=NOW, expires=NOW + 1)
    return up([full], own_key=full, clock_skew=0.0, facts=FACTS)


def families(*observations: Observation) -> list[Metric]:
    views = [Snapshot.at(observation, NOW) for observation in observations]
    text = Renderer().expose(views, EXPORTER, "openmetrics").decode()
    return [family for family in read(text) if family.name.startswith("docspace_")]


def samples(found: Iterable[Metric], name: str) -> dict[tuple[str, ...], float]:
    """The values of a metric by its label values, which are sorted by the label's name."""
    return {
        tuple(value for _, value in sorted(each.labels.items())): each.value
        for family in found
        for each in family.samples
        if each.name == name
    }


# The contract


def test_metrics_are_those_of_the_contract() -> None:
    found = {
        each.name: (family.type, set(each.labels))
        for family in families(everything())
        for each in family.samples
    }
    assert found == CONTRACT


def test_rows_declare_what_they_yield() -> None:
    declared = {
        row.name: (row.kind, {*common, *row.labels})
        for rows, common in (
            (PORTAL_ROWS, PORTAL),
            (KEY_ROWS, KEY),
            (EXPORTER_ROWS, ()),
        )
        for row in rows
    }
    assert declared == CONTRACT


def test_no_name_is_given_twice() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_name_fits_the_kind(row: Row[Any]) -> None:
    assert row.name.endswith("_total") == (row.kind == "counter")
    assert row.name.endswith("_info") == (row.kind == "info")
    assert not row.name.endswith(("_created", "_bucket", "_sum", "_count"))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_help_is_a_sentence(row: Row[Any]) -> None:
    assert row.help.isprintable()
    assert row.help.endswith(".")
    assert len(row.help) <= 100


def test_each_family_is_made_once_across_portals() -> None:
    names = [family.name for family in families(everything(), up(name="b"), down(Timeout("x")))]
    assert len(names) == len(set(names)) == len(CONTRACT)


@pytest.mark.parametrize("labels", [(), ("one",), ("one", "two")])
@pytest.mark.parametrize("values", [(), ("a",), ("a", "b")])
def test_row_that_yields_the_wrong_number_of_label_values_fails(
    values: tuple[str, ...], labels: tuple[str, ...]
) -> None:
    row: Row[None] = Row("docspace_x", "X.", lambda _: [(values, 1.0)], labels)
    table = Table([row], {})
    if len(values) == len(labels):
        assert table.lines(None)[0].startswith(b"docspace_x")
        return
    with pytest.raises(ValueError, match=f"docspace_x: expected {len(labels)} label"):
        table.lines(None)


# Unknown is absent, failure is data


def test_every_reason_is_there_from_the_start() -> None:
    found = samples(families(up()), "docspace_scrape_errors_total")
    assert found == {("acme", reason): 0 for reason in REASONS}


def test_failure_is_counted_under_its_reason() -> None:
    found = samples(families(down(NotFound("HTTP 404"))), "docspace_scrape_errors_total")
    assert [labels for labels, count in found.items() if count] == [("globex", "not_found")]


@pytest.mark.parametrize("name", UNKNOWN)
def test_unknown_is_absent(name: str) -> None:
    assert samples(families(up([key(created=None)])), name) == {}


@pytest.mark.parametrize("name", ["docspace_clock_skew_seconds", "docspace_api_key_orphaned"])
def test_known_zero_is_a_zero(name: str) -> None:
    assert list(samples(families(everything()), name).values()) == [0]


def test_own_key_without_expiry_has_no_expiry() -> None:
    own = key()
    found = families(up([own], own_key=own))
    assert samples(found, "docspace_exporter_key_info") == {(own.id, "acme"): 1}
    assert samples(found, "docspace_exporter_key_expiry_timestamp_seconds") == {}


def test_portal_that_never_answered_has_no_last_success() -> None:
    name = "docspace_scrape_last_success_timestamp_seconds"
    assert samples(families(down(Timeout("x"))), name) == {}


def test_portal_that_fails_keeps_its_last_success() -> None:
    name = "docspace_scrape_last_success_timestamp_seconds"
    assert samples(families(down(Timeout("x"), last_success=NOW - 60)), name) == {
        ("globex",): NOW - 60
    }


def test_portal_that_fails_has_these_series_only() -> None:
    found = families(down(Timeout("x")))
    exporters = {row.name for row in EXPORTER_ROWS}
    assert {each.name for family in found for each in family.samples} - exporters == {
        "docspace_up",
        "docspace_portal_info",
        "docspace_scrape_duration_seconds",
        "docspace_scrape_errors_total",
    }


@pytest.mark.parametrize(
    ("observation", "expected"),
    [(up(), {("acme",): 1}), (down(Timeout("x")), {("globex",): 0})],
    ids=["up", "down"],
)
def test_up(observation: Observation, expected: dict[tuple[str, ...], float]) -> None:
    assert samples(families(observation), "docspace_up") == expected


def test_key_that_cannot_be_used_any_more_still_has_its_series() -> None:
    found = families(up([key(1, is_active=False), key(2, expires=NOW - 1)]))
    active = samples(found, "docspace_api_key_active")
    assert sorted(active.values()) == [0, 1]


def test_failed_reload_is_a_zero() -> None:
    assert samples(families(), "docspace_exporter_config_last_reload_successful") == {(): 0}


# Creators


def orphans(**facts: Any) -> dict[tuple[str, ...], float]:
    """docspace_api_key_orphaned by creator, for a removed, a disabled and another creator."""
    creators = {"1": Creator(REMOVED_CREATOR, "any name"), "2": Creator("2", "B"), "3": ANNA}
    keys = [key(1, id=name, creator=creator) for name, creator in creators.items()]
    found = samples(families(up(keys, facts=PortalFacts(**facts))), "docspace_api_key_orphaned")
    return {labels[:1]: value for labels, value in found.items()}


def test_removed_and_disabled_creators_orphan_their_keys() -> None:
    facts = {"visibility": "all", "disabled": frozenset({"2"})}
    assert orphans(**facts) == {("1",): 1, ("2",): 1, ("3",): 0}


def test_removed_goes_by_the_id_also_where_nobody_is_known_to_be_disabled() -> None:
    assert orphans() == {("1",): 1}


def test_creator_of_a_key_without_one_is_unknown() -> None:
    found = samples(families(up([key(creator=None)], facts=FACTS)), "docspace_api_key_orphaned")
    assert found == {}


@pytest.mark.parametrize(
    ("facts", "expected"),
    [(PortalFacts(), 1), (PortalFacts("all", "", frozenset({ANNA.id})), 3)],
    ids=["not known", "known"],
)
def test_orphaned_keys_are_the_active_ones_known_to_be(facts: PortalFacts, expected: int) -> None:
    removed = Creator(REMOVED_CREATOR, "")
    keys = [key(1, creator=removed), key(2), key(3), key(4, is_active=False)]
    found = samples(families(up(keys, facts=facts)), "docspace_api_keys_orphaned")
    assert found == {("acme",): expected}


# Labels of the configuration


def test_labels_are_on_each_series_of_the_portal_and_on_no_other() -> None:
    settings = {"labels": (("env", "prod"), ("team", "payments"))}
    found = families(up([key(1)], facts=FACTS, settings=settings), up(name="plain"))
    labelled = {
        (each.labels.get("portal"), each.labels.get("env"), each.labels.get("team"))
        for family in found
        for each in family.samples
    }
    assert labelled == {("acme", "prod", "payments"), ("plain", None, None), (None, None, None)}


def test_withheld_values_are_empty_and_the_rest_stays() -> None:
    settings = {"withhold": frozenset({"creator", "key_name", "permissions"})}
    (info,) = (
        each.labels
        for family in families(up([key(1, permissions=("a:read",))], settings=settings))
        for each in family.samples
        if each.name == "docspace_api_key_info"
    )
    assert {name for name, value in info.items() if not value} == {
        "creator",
        "key_name",
        "permissions",
    }
    assert (info["access"], info["key_postfix"]) == ("read", "0001")


# The reference


def test_reference_is_up_to_date() -> None:
    """If this fails, run ``python docs/metrics.py``."""
    reference = runpy.run_path(str(DOCS / "metrics.py"))["reference"]
    assert (DOCS / "metrics.md").read_text(encoding="utf-8") == reference()

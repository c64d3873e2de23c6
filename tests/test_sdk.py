"""DocSpace's official SDK and the exporter read the same responses, and find the same in them."""

import html
import urllib.request
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import pytest
from observations import parse_keys
from support.demo import Demo

from exporter.demo.key import PERMISSIONS
from exporter.docspace import wire
from exporter.docspace.model import FULL_ACCESS, ApiKey, Creator

PORTALS = ["acme", "globex", "initech"]


@pytest.fixture(scope="module")
def vendor() -> ModuleType:
    """The SDK's package; importing it warns of a field name of its own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import docspace_api_sdk
    return docspace_api_sdk


@contextmanager
def client(vendor: ModuleType, demo: Demo, name: str) -> Iterator[Any]:
    configuration = vendor.Configuration(
        host=demo.servers[name].url, access_token=demo.portals[name].exporter_key
    )
    with vendor.ApiClient(configuration) as opened:
        yield opened


def body(demo: Demo, name: str, path: str) -> bytes:
    headers = {"Authorization": f"Bearer {demo.portals[name].exporter_key}"}
    request = urllib.request.Request(demo.servers[name].url + path, headers=headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        content: bytes = answer.read()
    return content


def seconds(date: Any) -> float | None:
    """Unix seconds of the SDK's date; None for its year 1, which stands for never."""
    when = date.utc_time if date else None
    return when.timestamp() if when and when.year > 1 else None


def as_api_key(key: Any) -> ApiKey:
    """The SDK's key as the exporter's type: what the SDK leaves to its user is done here."""
    return ApiKey(
        id=str(key.id),
        name=key.name,
        postfix=key.key_postfix,
        is_active=key.is_active,
        permissions=tuple(sorted(key.permissions or FULL_ACCESS)),
        creator=Creator(str(key.create_by.id), html.unescape(key.create_by.display_name)),
        created=seconds(key.create_on),
        last_used=seconds(key.last_used),
        expires=seconds(key.expires_at),
    )


def settled(key: ApiKey) -> dict[str, object]:
    """A key without the use that each of the two calls moved."""
    return {
        name: getattr(key, name)
        for name in ApiKey.__slots__
        if name not in {"last_used", "created"}
    }


@pytest.mark.parametrize("name", PORTALS)
def test_both_find_the_same_keys(vendor: ModuleType, demo: Demo, name: str) -> None:
    with client(vendor, demo, name) as opened:
        read = [as_api_key(key) for key in vendor.ApiKeysApi(opened).get_api_keys().response]
    ours = parse_keys(body(demo, name, "/api/2.0/keys"))
    assert ours.malformed == ()
    assert [settled(key) for key in ours.keys] == [settled(key) for key in read]


@pytest.mark.parametrize("name", PORTALS)
def test_both_read_the_same_dates(vendor: ModuleType, demo: Demo, name: str) -> None:
    """To the microsecond; but for the keys in use, whose last use moves."""
    with client(vendor, demo, name) as opened:
        read = {
            key.id: as_api_key(key) for key in vendor.ApiKeysApi(opened).get_api_keys().response
        }
    keys = parse_keys(body(demo, name, "/api/2.0/keys")).keys
    dates = {str(each.id): each for each in read.values()}
    for key in keys:
        assert key.created == pytest.approx(dates[key.id].created, abs=1e-6)
        assert (key.last_used is None) == (dates[key.id].last_used is None)
    still = [key for key in keys if key.last_used == dates[key.id].last_used]
    assert len(still) > len(keys) / 2


@pytest.mark.parametrize("name", PORTALS)
def test_both_read_the_same_profile(vendor: ModuleType, demo: Demo, name: str) -> None:
    with client(vendor, demo, name) as opened:
        profile = vendor.ProfilesApi(opened).get_self_profile().response
    ours = wire.parse_profile(body(demo, name, "/api/2.0/people/@self"))
    assert ours is (profile.is_admin or profile.is_owner)


@pytest.mark.parametrize("name", PORTALS)
def test_both_read_the_same_own_key(vendor: ModuleType, demo: Demo, name: str) -> None:
    with client(vendor, demo, name) as opened:
        read = as_api_key(vendor.ApiKeysApi(opened).get_api_key().response)
    ours = wire.parse_own_key(body(demo, name, "/api/2.0/keys/@self"))
    assert settled(ours) == settled(read)


@pytest.mark.parametrize("name", PORTALS)
def test_sdk_reads_the_list_as_the_portal_has_it(vendor: ModuleType, demo: Demo, name: str) -> None:
    with client(vendor, demo, name) as opened:
        read = vendor.ApiKeysApi(opened).get_api_keys().response
    portal = demo.portals[name].portal
    assert [
        (str(key.id), key.name, key.key, key.key_postfix, str(key.create_by.id)) for key in read
    ] == [
        (key.id, key.name, key.masked, key.postfix, portal.creator(key).id)
        for key in demo.keys(name)
    ]


def test_sdk_reads_every_permission_of_the_demo(vendor: ModuleType, demo: Demo) -> None:
    with client(vendor, demo, "acme") as opened:
        assert vendor.ApiKeysApi(opened).get_all_permissions().response == list(PERMISSIONS)


def test_sdk_reads_who_is_disabled(vendor: ModuleType, demo: Demo) -> None:
    with client(vendor, demo, "acme") as opened:
        found = vendor.SearchApi(opened).search_users_by_extended_filter(
            employee_status=vendor.EmployeeStatus.Terminated, count=100, start_index=0
        )
    assert [person.display_name for person in found.response] == ["John Doe"]

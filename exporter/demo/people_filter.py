"""`GET /api/2.0/people/filter`: the members of a portal by status, page by page."""

from collections.abc import Mapping

from exporter.demo import wire
from exporter.demo.model import Portal
from exporter.demo.wire import Response, failure

MAX_COUNT = 100


def people_page(portal: Portal, query: Mapping[str, list[str]], url: str) -> Response:
    """One page: `count` people from `startIndex` on; a `count` above 100 is a 400.

    `employeeStatus` is 1 (active), 2 (disabled) or 3 for both, its default. `fields` has the names
    of the fields to send, comma-separated. `total` in the answer is the number of all people found.
    """
    sent = {name: values[-1] for name, values in query.items()}
    try:
        count = int(sent.get("count", MAX_COUNT))
        start = int(sent.get("startIndex", 0))
        wanted = int(sent.get("employeeStatus", 3))
    except ValueError:
        count = start = wanted = -1
    if not 1 <= count <= MAX_COUNT or start < 0:
        return failure(400, f"count: expected 1 to {MAX_COUNT}", kind="System.ArgumentException")
    with portal.lock:
        people = [each for each in portal.people.values() if wire.status(each) & wanted]
    fields = set(sent["fields"].split(",")) if "fields" in sent else None
    page = [
        {
            name: value
            for name, value in wire.profile(person).items()
            if not fields or name in fields
        }
        for person in people[start : start + count]
    ]
    return wire.envelope(page, url, total=len(people))

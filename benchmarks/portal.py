"""Portals that are light: ``python -m benchmarks.portal PORTALS KEYS SECONDS [short|gzip]``.

Each is a port of this process. At each answer 1 % of its keys have been used since the last one,
and the exporter's own key always: a list that stays as it is would flatter a cache.
An answer takes so many seconds at least. ``short`` keys are the smallest that have an id, a name
and an expiry, and never change; ``gzip`` is the same compressed. The first line of output names the
ports.
"""

import asyncio
import gzip
import itertools
import json
import random
import sys
import uuid
from datetime import UTC, datetime

#: The exporter's key; its last four characters are the postfix of the first key of each portal.
SECRET = "sk-" + "0" * 60 + "beef"

_NOW = datetime(2026, 11, 1, tzinfo=UTC).timestamp()
_DAY = 86400
_PEOPLE = 40


def _date(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S.%f}0Z"


class _Portal:
    """The key list as bytes; only what changes is made anew."""

    encoding = b"identity"

    def __init__(self, keys: int, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311, no secret
        self._uses = itertools.count()
        self._halves = [self._halves_of(number) for number in range(keys)]
        self._records = [self._used(at) for at in range(keys)]

    def answer(self) -> bytes:
        """The next answer."""
        count = len(self._halves)
        for at in {0, *self._random.sample(range(count), max(count // 100, 1))}:
            self._records[at] = self._used(at)
        return b'{"response":[' + b",".join(self._records) + b'],"count":1,"statusCode":200}'

    def _used(self, at: int) -> bytes:
        before, after = self._halves[at]
        used = _date(_NOW + next(self._uses) / 1000).encode()
        return before + used + after

    def _halves_of(self, number: int) -> tuple[bytes, bytes]:
        """A record as the server sends it, cut where ``lastUsed`` stands."""
        chance = self._random
        person = chance.randrange(_PEOPLE)
        person_id = str(uuid.UUID(int=person + 1))
        avatar = "/static/images/default_user_photo_size_{0}-{0}.png?hash=1976840321"
        record = {
            "id": str(uuid.UUID(int=chance.getrandbits(128))),
            "name": f"key {number}",
            "key": "sk-***beef",
            "keyPostfix": "beef" if number == 0 else f"{chance.getrandbits(16):04x}",
            "isActive": number % 20 != 19,
            "permissions": ["files:read", "rooms:read"] if number % 3 else ["*:read"],
            "lastUsed": "HERE",
            "createOn": _date(_NOW - chance.randrange(300 * _DAY)),
            "createBy": {
                "id": person_id,
                "displayName": f"Person {person} O&#39;Brien",
                "avatarOriginal": avatar.format(200),
                "avatarMax": avatar.format(200),
                "avatarMedium": avatar.format(48),
                "avatar": avatar.format(82),
                "avatarSmall": avatar.format(32),
                "profileUrl": f"/accounts/people/filter?search={person_id}",
                "hasAvatar": False,
                "isAnonim": False,
            },
            "expiresAt": _date(_NOW + chance.randrange(1, 365) * _DAY),
        }
        before, _, after = json.dumps(record).encode().partition(b"HERE")
        return before, after


class _Short:
    """A list that is large for the number of its keys only."""

    def __init__(self, keys: int, *, compressed: bool) -> None:
        self.encoding = b"gzip" if compressed else b"identity"
        expires = _date(_NOW + 100 * _DAY)[:19] + "Z"
        records = [
            {"id": f"k{number:06}", "isActive": True, "name": f"n{number:06}", "expiresAt": expires}
            for number in range(keys)
        ]
        body = json.dumps({"response": records}, separators=(",", ":")).encode()
        self._body = gzip.compress(body) if compressed else body

    def answer(self) -> bytes:
        """The same answer each time."""
        return self._body


_OTHER = {
    "/api/2.0/people/@self": b'{"response":{"isAdmin":true,"isOwner":false}}',
    "/api/2.0/settings/version/build": b'{"response":{"docSpace":"3.7.2.1234"}}',
    "/api/2.0/people/filter": b'{"response":[],"total":0}',
}


async def _serve(
    portal: _Portal | _Short,
    seconds: float,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    while True:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            break
        path = head.split(b" ", 2)[1].partition(b"?")[0].decode()
        if path == "/api/2.0/keys":
            await asyncio.sleep(seconds)
        body, encoding = _OTHER.get(path, b"{}"), b"identity"
        if path == "/api/2.0/keys":
            body, encoding = portal.answer(), portal.encoding
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\n"
            b"Content-Encoding: %b\r\nContent-Length: %d\r\n\r\n" % (encoding, len(body))
        )
        writer.write(body)
        await writer.drain()
    writer.close()


async def main(portals: int, keys: int, seconds: float, kind: str = "") -> None:
    """Serve until standard input ends."""
    ports = []
    for number in range(portals):
        portal = _Short(keys, compressed=kind == "gzip") if kind else _Portal(keys, number)
        server = await asyncio.start_server(
            lambda reader, writer, portal=portal: _serve(portal, seconds, reader, writer),
            "127.0.0.1",
            0,
        )
        ports.append(server.sockets[0].getsockname()[1])
    print(*ports, flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), *sys.argv[4:]))

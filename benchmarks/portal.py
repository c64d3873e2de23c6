"""A portal that costs little: every answer is made before it is asked for.

    python benchmarks/portal.py

It listens on a free port of 127.0.0.1 and prints that. The address of a portal says what it is:
``http://127.0.0.1:PORT/KEYS/MILLISECONDS/NAME`` has so many keys and takes so long for each answer.
From one answer to the next 1 % of the keys were used, and the caller's own key always.
"""

import asyncio
import json
import sys
import time
import zlib
from collections import defaultdict
from datetime import UTC, datetime
from email.utils import formatdate
from functools import cache, partial
from typing import Any

KEY = "sk-" + "b" * 60 + "00ff"

_DAY = 86400.0
_PEOPLE = 25
#: One in so many keys is another than usual in one answer. Those of the answer before are as usual
#: again, so that twice as many differ.
_ONE_IN = 200
_SCOPES = (["*"], ["*:read"], ["files:read", "files:write"], ["rooms:read"], ["accounts:read"])
_PICTURES = {
    field: f"/static/images/default_user_photo_size_{size}.png"
    for field, size in (
        ("avatar", "82-82"),
        ("avatarOriginal", "200-200"),
        ("avatarMax", "200-200"),
        ("avatarMedium", "48-48"),
        ("avatarSmall", "32-32"),
    )
}


def main() -> None:
    """Serve until standard input ends."""
    asyncio.run(_serve())


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    sent: defaultdict[str, int] = defaultdict(int)  # lists, by portal
    server = await loop.create_server(partial(_Connection, sent), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


class _Connection(asyncio.Protocol):
    """One connection: requests without a body, answered in turn."""

    def __init__(self, sent: "defaultdict[str, int]") -> None:
        self._sent = sent

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._head = b""

    def data_received(self, data: bytes) -> None:
        self._head += data
        while b"\r\n\r\n" in self._head:
            head, _, self._head = self._head.partition(b"\r\n\r\n")
            path = head.split(b" ", 2)[1].decode()
            delay = float(path.split("/")[2]) / 1000
            gzip = b"gzip" in head
            asyncio.get_running_loop().call_later(delay, self._answer, path, gzip)

    def _answer(self, path: str, gzip: bool) -> None:  # noqa: FBT001, call_later has no keywords
        portal, _, asked = path.partition("/api/2.0/")
        if asked == "keys":
            lists = prepared(int(portal.split("/")[1]))
            body = lists[self._sent[portal] % len(lists)]
            self._sent[portal] += 1
        else:
            body = _fact(asked)
        if not gzip:  # json_exporter does not ask for it
            body = zlib.decompress(body, zlib.MAX_WBITS | 16)
        encoding = "Content-Encoding: gzip\r\n" if gzip else ""
        head = (
            f"HTTP/1.1 200 OK\r\nDate: {formatdate(usegmt=True)}\r\n{encoding}"
            "Content-Type: application/json; charset=utf-8\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        self._transport.writelines([head.encode(), body])


@cache
def prepared(count: int) -> list[bytes]:
    """Compressed key lists, in the order in which they are sent."""
    now = time.time()
    usual = [_json(_record(number, now, now)) for number in range(count)]
    lists = []
    for turn in range(max(4, min(40, 120_000 // count))):
        records = list(usual)
        for number in {0, *range(turn, count, _ONE_IN)}:
            records[number] = _json(_record(number, now, now + 1 + turn))
        lists.append(_gzip(_envelope(b"[" + b",".join(records) + b"]")))
    return lists


def _record(number: int, now: float, used: float) -> dict[str, Any]:
    """A key: one in five never expires, one in ten was never used, one in fifty was rotated."""
    created = now - _DAY * (number % 360 + 1) - number
    named = number - 1 if number % 50 == 2 else number
    person = (named * 7) % _PEOPLE
    record: dict[str, Any] = {
        "id": _uuid(number),
        "name": f"integration {named:06}",
        "key": f"sk-***{number % 65536:04x}",
        "keyPostfix": KEY[-4:] if number == 0 else f"{number * 7 % 65536:04x}",
        "permissions": _SCOPES[number % len(_SCOPES)],
        "lastUsed": _date(used - number % 5000),
        "createOn": _date(created),
        "createBy": {
            "id": _uuid(10**8 + person),
            "displayName": f"Person {person} O&#39;Brien",
            **_PICTURES,
            "profileUrl": f"/accounts/people/filter?search={_uuid(10**8 + person)}",
            "hasAvatar": False,
            "isAnonim": False,
        },
        "expiresAt": _date(now + _DAY * (number % 300 + 1)),
        "isActive": number % 40 != 7,
    }
    if number % 10 == 9:
        del record["lastUsed"]
    if number % 5 == 3:
        del record["expiresAt"]
    return record


@cache
def _fact(asked: str) -> bytes:
    if asked.startswith("people/@self"):
        return _gzip(_envelope(_json({"id": _uuid(10**8), "isAdmin": True, "isOwner": False})))
    if asked.startswith("people/filter"):
        return _gzip(_envelope(_json([{"id": _uuid(10**8 + 3), "status": 2}]), total=1))
    return _gzip(_envelope(_json({"docSpace": "3.7.2"})))


def _uuid(number: int) -> str:
    text = f"{(number + 1) * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _date(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f0Z")


def _envelope(response: bytes, **more: int) -> bytes:
    end = _json({"count": 1, **more, "links": [], "status": 0, "statusCode": 200})
    return b'{"response":' + response + b"," + end[1:]


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _gzip(text: bytes) -> bytes:
    compressor = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS | 16)  # as nginx does
    return compressor.compress(text) + compressor.flush()


if __name__ == "__main__":
    main()

"""The open connections: how many there may be, their deadlines, and which are closed first."""

import asyncio
import ipaddress
import itertools
from collections.abc import Callable, Iterator
from typing import Literal

#: Seconds that a client has to send a request, to make a TLS handshake, or to read an answer.
CLIENT_SECONDS = 10.0
#: Bytes a second at which a client must read a long answer, beside those seconds.
_LEAST_RATE = 1024 * 1024
#: Bytes of all answers together that clients have not read yet.
MAX_UNSENT = 64 * 1024 * 1024

#: The server waits for a request, the handler works, or the client reads the answer.
State = Literal["waiting", "working", "answering"]


def host_of(address: str) -> str:
    """What counts as one client: an IPv4 address, or the /64 network of an IPv6 address."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv4Address):
        return str(ip)
    return str(ip.ipv4_mapped or ipaddress.ip_network((ip, 64), strict=False))


class Client:
    """One accepted connection. ``close`` ends it in any state."""

    def __init__(self, address: str, close: Callable[[], object]) -> None:
        self.address = address
        self.host = host_of(address)
        self.close = close
        self.state: State = "waiting"
        self.since = 0.0
        self.unsent = b""
        self.deadline: asyncio.TimerHandle | None = None

    def cancel_deadline(self) -> None:
        """Let the state last without a limit."""
        if self.deadline is not None:
            self.deadline.cancel()


class Clients:
    """All connections of a server, ``limit`` at most.

    At the limit, the host with most connections loses its connection that has waited longest. So a
    host that opens many connections loses its own.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        # The connections of each host, ordered by when their state began.
        self._hosts: dict[str, dict[Client, None]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._hosts.values()))

    def __iter__(self) -> Iterator[Client]:
        return iter([client for held in self._hosts.values() for client in held])

    def add(self, client: Client) -> bool:
        """Add a connection that waits for a request; whether another was closed for it."""
        full = len(self) >= self.limit and self.evict() > 0
        self._hosts.setdefault(client.host, {})[client] = None
        self.begin(client, "waiting")
        return full

    def begin(self, client: Client, state: State, unsent: bytes = b"") -> None:
        """Begin a state of a connection, unless it was removed.

        The connection is closed if the state lasts too long; "working" has no limit.
        """
        held = self._hosts.get(client.host, {})
        if client not in held:
            return
        held[client] = held.pop(client)
        client.cancel_deadline()
        loop = asyncio.get_running_loop()
        client.state, client.since, client.unsent = state, loop.time(), unsent
        if state != "working":
            seconds = CLIENT_SECONDS + len(unsent) / _LEAST_RATE
            client.deadline = loop.call_later(seconds, lambda: client.close())

    def remove(self, client: Client) -> None:
        """Remove a connection, if it is still there."""
        held = self._hosts.get(client.host, {})
        if client in held:
            client.cancel_deadline()
            del held[client]
            if not held:
                del self._hosts[client.host]

    def evict(self, count: int = 1) -> int:
        """Close connections that no handler works for, waiting ones first; return their number."""
        return self._close(list(itertools.islice(self._evictable(), count)))

    def bound_unsent(self) -> int:
        """Close the slowest readers until the unread answers fit `MAX_UNSENT`; return their number.

        An answer that is sent to several clients counts once.
        """
        answering = sorted((client for client in self if client.unsent), key=lambda it: it.since)
        slowest = 0
        while _size(answering[slowest:]) > MAX_UNSENT and slowest < len(answering) - 1:
            slowest += 1
        return self._close(answering[:slowest])

    def _evictable(self) -> Iterator[Client]:
        most_first = sorted(self._hosts.values(), key=len, reverse=True)
        for state in ("waiting", "answering"):
            for held in most_first:
                yield from (client for client in held if client.state == state)

    def _close(self, chosen: list[Client]) -> int:
        for client in chosen:
            client.close()
            self.remove(client)
        return len(chosen)


def _size(answering: list[Client]) -> int:
    return sum({id(client.unsent): len(client.unsent) for client in answering}.values())

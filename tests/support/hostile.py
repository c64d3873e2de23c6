"""Requests that a strict server refuses. Most of them hide a second request.

If a proxy and the exporter read such a request in different ways, a client can send requests in the
name of another client. The shapes are from RFC 9112, sections 2.2, 3, 5 and 6.
"""

HIDDEN = b"POST /-/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
_GET = b"GET /-/healthy HTTP/1.1\r\n"
_HOST = b"Host: x\r\n"
_POST = b"POST /-/healthy HTTP/1.1\r\nHost: x\r\n"


def _length(*values: bytes) -> bytes:
    lines = b"".join(b"Content-Length: " + value + b"\r\n" for value in values)
    return _POST + lines + b"\r\n" + HIDDEN


def _coded(value: bytes, body: bytes, more: bytes = b"") -> bytes:
    return _POST + b"Transfer-Encoding: " + value + b"\r\n" + more + b"\r\n" + body + HIDDEN


_CHUNK = b"5\r\nhello\r\n0\r\n\r\n"

#: Name of a shape, and its bytes. The server must serve neither it nor the request hidden in it.
SHAPES: dict[str, bytes] = {
    # The request line.
    "no version": b"GET /-/healthy\r\n\r\n",
    "only a method": b"GET\r\n\r\n",
    "version 9.9": b"GET /-/healthy HTTP/9.9\r\nHost: x\r\n\r\n",
    "version 2.0": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "version 1.2": b"GET /-/healthy HTTP/1.2\r\nHost: x\r\n\r\n",
    "version in lower case": b"GET /-/healthy http/1.1\r\nHost: x\r\n\r\n",
    "two spaces": b"GET  /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n",
    "a tab for a space": b"GET\t/-/healthy HTTP/1.1\r\nHost: x\r\n\r\n",
    "a space before": b" GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n",
    "a space after": b"GET /-/healthy HTTP/1.1 \r\nHost: x\r\n\r\n",
    "a space in the path": b"GET /-/healthy x HTTP/1.1\r\nHost: x\r\n\r\n",
    "a NUL in the path": b"GET /-/healthy\0 HTTP/1.1\r\nHost: x\r\n\r\n",
    "a CR in the path": b"GET /-/healthy\rx HTTP/1.1\r\nHost: x\r\n\r\n",
    "no slash": b"GET -/healthy HTTP/1.1\r\nHost: x\r\n\r\n",
    "a whole URL": b"GET http://x/-/healthy HTTP/1.1\r\nHost: x\r\n\r\n",
    "an asterisk": b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    "a tunnel": b"CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n",
    "a method with a colon": b"GE:T /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n",
    # Headers.
    "no Host": _GET + b"\r\n",
    "two Hosts": _GET + _HOST + b"Host: y\r\n\r\n",
    "two Hosts, the same": _GET + _HOST + _HOST + b"\r\n",
    "a folded first header": _GET + b" x: y\r\n" + _HOST + b"\r\n",
    "a folded header": _GET + _HOST + b"X: y\r\n z\r\n\r\n",
    "a space before the colon": _GET + _HOST + b"X : y\r\n\r\n",
    "no colon": _GET + _HOST + b"X\r\n\r\n",
    "no name": _GET + _HOST + b": y\r\n\r\n",
    "a NUL in a value": _GET + _HOST + b"X: \0\r\n\r\n",
    "a NUL in a name": _GET + _HOST + b"X\0: y\r\n\r\n",
    "a bare CR in a value": _GET + _HOST + b"X: y\rz\r\n\r\n",
    "a bare CR hides a length": _POST + b"X: y\rContent-Length: 5\r\n\r\nhello" + HIDDEN,
    "a control character": _GET + _HOST + b"X: \x01\r\n\r\n",
    "a name in parentheses": _GET + _HOST + b"(X): y\r\n\r\n",
    # Lengths.
    "length with a sign": _length(b"+5"),
    "negative length": _length(b"-1"),
    "negative zero": _length(b"-0"),
    "length with underscores": _length(b"5_0"),
    "length in hexadecimal": _length(b"0x5"),
    "length with a fraction": _length(b"5.0"),
    "length of other digits": _length(b"\xd9\xa5"),
    "length with a space": _length(b"5 5"),
    "empty length": _length(b""),
    "length of letters": _length(b"abc"),
    "length without end": _length(b"9" * 5000),
    "length over the limit": _length(b"99999999999"),
    "two lengths": _length(b"5", b"6"),
    "two lengths, the same": _length(b"5", b"5"),
    "a list of lengths": _length(b"5, 6"),
    "a list of the same length": _length(b"5, 5"),
    # Transfer codings.
    "length and chunks": _coded(b"chunked", _CHUNK, b"Content-Length: 5\r\n"),
    "chunks in HTTP/1.0": b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n" + _CHUNK,
    "unknown coding": _coded(b"nonsense", _CHUNK),
    "identity": _coded(b"identity", _CHUNK),
    "gzip, then chunked": _coded(b"gzip, chunked", _CHUNK),
    "chunked twice": _coded(b"chunked, chunked", _CHUNK),
    "chunked on two lines": _coded(b"chunked", _CHUNK, b"Transfer-Encoding: chunked\r\n"),
    "a vertical tab before chunked": _coded(b"\x0bchunked", _CHUNK),
    "an extension of a chunk": _coded(b"chunked", b"5;x=y\r\nhello\r\n0\r\n\r\n"),
    "a chunk with a sign": _coded(b"chunked", b"+5\r\nhello\r\n0\r\n\r\n"),
    "a negative chunk": _coded(b"chunked", b"-5\r\nhello\r\n0\r\n\r\n"),
    "a chunk with an underscore": _coded(b"chunked", b"0_5\r\nhello\r\n0\r\n\r\n"),
    "a chunk in 0x": _coded(b"chunked", b"0x5\r\nhello\r\n0\r\n\r\n"),
    "a chunk that ends with LF": _coded(b"chunked", b"5\nhello\r\n0\r\n\r\n"),
    "a chunk that is longer": _coded(b"chunked", b"3\r\nhello\r\n0\r\n\r\n"),
    "a chunk of more than fits": _coded(b"chunked", b"fffffff\r\nhello\r\n0\r\n\r\n"),
    "a trailer": _coded(b"chunked", b"0\r\nContent-Length: 5\r\n\r\n"),
}  # fmt: skip

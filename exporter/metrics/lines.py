"""Rows of the catalogue as sample lines: in both formats the same, and as prometheus-client's.

::

    docspace_api_key_active{key_id="6125d7a7-…",key_name="chat-bridge",portal="acme"} 1.0
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Generic

from exporter.metrics.catalogue import One, Row, V

#: From what a row looks at, and its shared labels as text and as values, to the row's lines.
_RowLines = Callable[[V, str, tuple[str, ...]], bytes]


_NOT_FINITE = {"inf": "+Inf", "-inf": "-Inf", "nan": "NaN"}


class Table(Generic[V]):
    """Some rows, for subjects that share labels.

    ``constant`` are labels that have one value for all subjects; ``varying`` names those whose
    values come with each subject. All that does not hang on the subject is formatted once, here.
    """

    def __init__(
        self,
        rows: Sequence[Row[V]],
        constant: Mapping[str, str],
        varying: tuple[str, ...] = (),
    ) -> None:
        self._labels = _template(constant, varying)[0]
        self._rows = [_row_lines(row, constant, varying) for row in rows]

    def lines(self, subject: V, values: tuple[str, ...] = ()) -> list[bytes]:
        """The lines of each row, empty where it has no sample; ``values`` are of ``varying``.

        Raises ValueError where a row yields more or fewer label values than it has labels.
        """
        escaped = tuple([_escaped(value) for value in values])
        labels = self._labels % escaped
        return [lines(subject, labels, escaped) for lines in self._rows]


def _row_lines(
    row: Row[V], constant: Mapping[str, str], varying: tuple[str, ...]
) -> "_RowLines[V]":
    if row.labels:
        return _with_own_labels(row, constant, varying)
    if isinstance(row.samples, One):
        return _with_one_value(row.name, row.samples.value)
    return _with_shared_labels(row)


def _with_one_value(name: str, value: Callable[[V], float | None]) -> "_RowLines[V]":
    """What nearly all rows are, by the shortest way."""

    def lines(subject: V, labels: str, _: tuple[str, ...]) -> bytes:
        number = value(subject)
        return b"" if number is None else f"{name}{labels} {go_number(number)}\n".encode()

    return lines


def _with_shared_labels(row: Row[V]) -> "_RowLines[V]":
    name, samples = row.name, row.samples

    def lines(subject: V, labels: str, _: tuple[str, ...]) -> bytes:
        text = ""
        for values, number in samples(subject):
            _check(name, 0, values)
            text += f"{name}{labels} {go_number(number)}\n"
        return text.encode()

    return lines


def _with_own_labels(
    row: Row[V], constant: Mapping[str, str], varying: tuple[str, ...]
) -> "_RowLines[V]":
    name, samples, count = row.name, row.samples, len(row.labels)
    labels, order = _template(constant, varying + row.labels)
    template = f"{name}{labels} %s\n"

    def lines(subject: V, _: str, shared: tuple[str, ...]) -> bytes:
        text = ""
        for values, number in samples(subject):
            _check(name, count, values)
            known = (*shared, *[_escaped(value) for value in values])
            text += template % (*[known[at] for at in order], go_number(number))
        return text.encode()

    return lines


def _check(name: str, count: int, values: tuple[str, ...]) -> None:
    if len(values) != count:
        raise ValueError(f"{name}: expected {count} label values, got {len(values)}")


def go_number(value: float | bool) -> str:  # noqa: FBT001, a number like any other
    """A number as Go and prometheus-client write it: with an exponent from a million on."""
    if value is True:
        return "1.0"
    if value is False:
        return "0.0"
    text = repr(float(value))
    dot = text.find(".")
    if dot > 6 and text[0] != "-":
        return f"{text[0]}.{text[1:dot]}{text[dot + 1 :]}".rstrip("0.") + f"e+{dot - 1:02}"
    return _NOT_FINITE.get(text, text)


def _template(constant: Mapping[str, str], varying: tuple[str, ...]) -> tuple[str, tuple[int, ...]]:
    """A format string for the labels, sorted by name, and the order in which it takes values.

    Where a name is in both, the varying label is the one.
    """
    known: dict[str, str | int] = {**constant, **{name: at for at, name in enumerate(varying)}}
    pairs = sorted(known.items())
    texts = [
        f'{name}="%s"' if isinstance(value, int) else f'{name}="{_literal(value)}"'
        for name, value in pairs
    ]
    order = tuple(value for _, value in pairs if isinstance(value, int))
    return ("{" + ",".join(texts) + "}" if texts else ""), order


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _literal(value: str) -> str:
    return _escaped(value).replace("%", "%%")

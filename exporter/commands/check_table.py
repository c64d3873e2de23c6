"""The findings of `check`: a table with a column for each portal, and what to do below it."""

from collections.abc import Iterator, Mapping, Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from exporter.check.diagnosis import CHECKS, Check, Diagnosis, Finding, Status
from exporter.commands.tables import cell, grid, width
from exporter.commands.terminal import GAP, is_terminal

_MARKS: Mapping[Status, tuple[str, str]] = {
    "ok": ("✓", "green"),
    "warning": ("!", "yellow"),
    "problem": ("✗", "bold red"),
    "skipped": ("\u2013", "dim"),
}
_LABELS: Mapping[Check, str] = {
    "name_resolution": "name",
    "connection": "connection",
    "tls": "TLS",
    "api": "API",
    "key": "key",
    "scope": "scope",
    "visibility": "sees",
    "own_key_expiry": "key expires",
    "keys": "keys",
    "clock_skew": "clock",
    "latency": "latency",
}

#: Columns of a terminal for the labels, and at least for a portal.
_LABEL_COLUMNS = 11
_PORTAL_COLUMNS = 24
#: Portals side by side in a pipe, which has no width.
_PIPED_PORTALS = 3


def parts(diagnoses: Sequence[Diagnosis]) -> Iterator[RenderableType]:
    """Tables with as many portals as fit side by side, then the verdicts."""
    fit = (width() - _LABEL_COLUMNS) // (GAP + _PORTAL_COLUMNS) if is_terminal() else _PIPED_PORTALS
    size = max(fit, 1)
    for start in range(0, len(diagnoses), size):
        yield _table(diagnoses[start : start + size])
        yield ""
    yield _verdicts(diagnoses)


def _table(diagnoses: Sequence[Diagnosis]) -> Table:
    table = grid()
    table.add_column("", style="dim", no_wrap=True)
    for diagnosis in diagnoses:
        table.add_column(cell(diagnosis.portal.name, "bold"), overflow="fold")
    table.add_row("address", *(cell(diagnosis.portal.url) for diagnosis in diagnoses))
    table.add_row("version", *(_version(diagnosis) for diagnosis in diagnoses))
    for check in CHECKS:
        row = [_found(diagnosis.of(check)) for diagnosis in diagnoses]
        table.add_row(_LABELS[check], *row)
    return table


def _version(diagnosis: Diagnosis) -> Text:
    return cell(diagnosis.version) if diagnosis.version else Text(*_MARKS["skipped"])


def _found(finding: Finding) -> Text:
    sign, style = _MARKS[finding.status]
    detail_style = style if finding.status != "ok" else ""
    return Text.assemble((f"{sign} ", style), cell(finding.detail, detail_style))


def _verdicts(diagnoses: Sequence[Diagnosis]) -> Table:
    """A line for each thing to do, and for each portal with nothing to do."""
    table = Table.grid(padding=(0, 1))
    for _ in range(2):
        table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for diagnosis in diagnoses:
        name = cell(diagnosis.portal.name, "bold")
        for finding in diagnosis.remarks:
            sign, style = _MARKS[finding.status]
            label = Text(f"{_LABELS[finding.check]}: ", style)
            table.add_row(Text(sign, style), name, label + cell(finding.next_step))
        if not diagnosis.remarks:
            sign, style = _MARKS["ok"]
            keys = diagnosis.of("keys").detail
            table.add_row(Text(sign, style), name, f"all is well, {keys} keys seen")
    return table

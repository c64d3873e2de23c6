"""``docspace-exporter check``: examine the portals at the same time, and say what to do."""

import argparse
import sys
import threading
from concurrent.futures import as_completed
from functools import partial
from typing import Any

from exporter.check.diagnosis import Diagnosis, Finding
from exporter.check.examination import examine
from exporter.clock import Clock
from exporter.commands import check_table, tables
from exporter.commands.selection import selected
from exporter.commands.terminal import emit, interrupted, json_text
from exporter.config import PortalSettings, Settings
from exporter.logs import make_log
from exporter.threads import in_thread


def run(options: argparse.Namespace) -> int:
    """Examine and report; 1 if a portal has a problem. Raises ConfigError and FlagError."""
    settings = selected(options)
    log = make_log(sys.stderr, options.log_level, options.log_format)
    try:
        diagnoses = _side_by_side(settings)
    except KeyboardInterrupt:
        return interrupted()
    for diagnosis in diagnoses:
        for finding in diagnosis.findings:
            result = {"check": finding.check, "status": finding.status, "detail": finding.detail}
            log.debug("examined", portal=diagnosis.portal.name, **result)
    if options.format == "json":
        emit(json_text({"portals": [_record(diagnosis) for diagnosis in diagnoses]}))
    else:
        emit(tables.render(*check_table.parts(diagnoses)))
    return int(any(diagnosis.verdict == "problem" for diagnosis in diagnoses))


def _side_by_side(settings: Settings) -> list[Diagnosis]:
    """A diagnosis of each portal, in the order of the configuration; progress goes to stderr."""
    slots = threading.Semaphore(settings.concurrency)

    def work(portal: PortalSettings) -> Diagnosis:
        with slots:
            return examine(portal, Clock())

    names = [portal.name for portal in settings.portals]
    # Daemon threads: a portal that hangs must not keep an interrupted process alive.
    examining = [in_thread(partial(work, portal), "check") for portal in settings.portals]
    diagnoses: dict[str, Diagnosis] = {}
    with tables.progress(names) as tick:
        for done in as_completed(examining):
            diagnosis = done.result()
            diagnoses[diagnosis.portal.name] = diagnosis
            tick([name for name in names if name not in diagnoses])
    return [diagnoses[name] for name in names]


def _record(diagnosis: Diagnosis) -> dict[str, Any]:
    return {
        "portal": diagnosis.portal.name,
        "url": diagnosis.portal.url,
        "version": diagnosis.version or None,
        "verdict": diagnosis.verdict,
        "checks": [_finding(finding) for finding in diagnosis.findings],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "check": finding.check,
        "status": finding.status,
        "detail": finding.detail or None,
        "value": finding.value,
        "next_step": finding.next_step or None,
    }

"""The groups of alerts on portals and exporters that cannot be read."""

from prometheus.messages import DURATION, OWN_KEY, plural, portal_links, reasons
from prometheus.model import Alert, Group, Record
from prometheus.promql import REPLICA, one_per_portal
from prometheus.settings import Settings

ERRORS = "portal_reason:docspace_scrape_errors:increase10m"
UP = one_per_portal("docspace_up")
REJECTED = f'{ERRORS}{{reason=~"unauthorized|forbidden"}}'
LIMITED = f'{ERRORS}{{reason="rate_limited"}}'


def portals(settings: Settings) -> Group:
    """Per portal."""
    links = portal_links(settings)
    held = f"alerts that fire now stay for {settings.bridge.one}, and no new ones fire"
    return Group(
        "docspace-portals",
        (
            Record(
                ERRORS,
                "topk by (portal, reason) (1, max without "
                f"({REPLICA}) (\n"
                "  increase(docspace_scrape_errors_total"
                '{reason=~"unauthorized|forbidden|rate_limited"}[10m]) > 0\n))',
                "Failures that have an alert of their own. Over 10 minutes, because an increase"
                " needs two samples and scrapes may be 4 minutes apart.",
            ),
            Alert(
                "DocSpacePortalDown",
                "critical",
                f"{UP} == 0\n"
                f"unless on (portal) {REJECTED}\n"
                f"unless on (portal) (\n  {LIMITED}\n"
                "  and on (portal) max by (portal) (max_over_time(docspace_up[50m])) == 1\n)",
                summary="Portal {{ $labels.portal }} cannot be read",
                description=(
                    "No exporter could read its key list for at least 10"
                    f" minutes{reasons('portal')}. Its keys are not monitored: {held}."
                ),
                links=links,
                wait="10m",
                comment="In the first hour of 429s (50 minutes and the 10 of `for`) only"
                " DocSpaceRateLimited fires.",
            ),
            Alert(
                "DocSpaceExporterKeyRejected",
                "critical",
                f"{REJECTED}\nand on (portal) max by (portal) (docspace_up) == 0",
                summary=(
                    "{{ $labels.portal }} rejects the exporter's key with"
                    ' {{ if eq $labels.reason "unauthorized" }}401{{ else }}403{{ end }}'
                ),
                description=(
                    f"The key{OWN_KEY}"
                    ' {{ if eq $labels.reason "unauthorized" }}is wrong, switched off, deleted or'
                    " expired, or its creator was disabled or removed{{ else }}lacks permissions,"
                    " the exporter's IP address is not allowed, or the portal is being moved or"
                    " restored{{ end }}. No key of this portal is monitored until this is fixed."
                ),
                links=links,
                wait="5m",
            ),
            Alert(
                "DocSpaceRateLimited",
                "warning",
                LIMITED,
                summary="{{ $labels.portal }} limits the rate of the exporter's requests",
                description=(
                    f"For 10 minutes it has answered 429 to the key{OWN_KEY}. The limit counts all"
                    " requests of one person, so another program with a key of the same person may"
                    " be the cause."
                    '{{ with printf "max by (portal) (docspace_up{portal=%q}) == 0" $labels.portal'
                    f" | query }}}} Its keys are not monitored: {held}.{{{{ end }}}}"
                ),
                links=links,
                wait="10m",
            ),
            Alert(
                "DocSpacePortalFlapping",
                "warning",
                f"100 * {one_per_portal('avg_over_time(docspace_up[1h])')} < 50\n"
                "and on (portal) max by (portal) (changes(docspace_up[1h])) > 2",
                summary="Portal {{ $labels.portal }} can be read only sometimes",
                description=(
                    'Only {{ printf "%.0f" $value }}% of the scrapes in the last hour could read its'
                    f" key list{reasons('portal')}. Alerts on its keys may come late."
                ),
                links=links,
                wait="10m",
                comment="Of several exporters the best one counts. More than two changes, because"
                " one outage changes docspace_up twice.",
            ),
            Alert(
                "DocSpaceReplicaBlind",
                "warning",
                "docspace_up == 0\nand on (portal) max by (portal) (docspace_up) == 1",
                summary=(
                    "One of several exporters ({{ $labels.instance }}, job {{ $labels.job }})"
                    " cannot read {{ $labels.portal }}"
                ),
                description=(
                    "It could not read the key list for 30"
                    f" minutes{reasons('portal', 'job', 'instance')}."
                    " Only another exporter still monitors the keys. If that one fails too, nothing"
                    " monitors them."
                ),
                links=links,
                wait="30m",
            ),
            Alert(
                "DocSpaceKeysMalformed",
                "warning",
                f"{one_per_portal('docspace_api_keys_malformed')} > 0",
                summary=(
                    f"{{{{ $value }}}} {plural('record', 'records')} in the key list of"
                    f" {{{{ $labels.portal }}}} {plural('is', 'are')} not valid"
                ),
                description=(
                    f"{plural('Its key is', 'Their keys are')} missing from all metrics, so no alert"
                    " fires before such a key expires. The exporter's log shows what is wrong."
                ),
                links=links,
                wait="15m",
            ),
            Alert(
                "DocSpaceClockSkew",
                "warning",
                f"{one_per_portal('docspace_clock_skew_seconds')} > 60\n"
                "or on (portal)\n"
                f"-{one_per_portal('-docspace_clock_skew_seconds')} < -60",
                summary=(
                    "The clock of {{ $labels.portal }} is"
                    ' {{ $value | humanizeDuration | reReplaceAll "^-" "" }}'
                    " {{ if gt $value 0.0 }}ahead of{{ else }}behind{{ end }} the exporter's"
                ),
                description=(
                    "Keys expire by the portal's clock, so alerts on their expiry are too early or"
                    " too late by this amount."
                ),
                links=links,
                wait="15m",
            ),
        ),
    )


def exporter(settings: Settings) -> Group:
    """Per exporter."""
    held = f"alerts that fire now stay for {settings.bridge.one}, and no new ones fire"
    return Group(
        "docspace-exporter",
        (
            Alert(
                "DocSpaceExporterDown",
                "critical",
                'up{job=~"docspace|docspace-exporter.*"} == 0\n'
                "or "
                "up == 0 and on (job, instance) last_over_time(docspace_exporter_build_info[1d])\n"
                "or on ()\n"
                'absent({__name__=~"docspace_exporter_build_info|docspace_up"})',
                summary=(
                    "{{ with $labels.instance }}The DocSpace exporter {{ . }} cannot be scraped"
                    "{{ else }}No DocSpace exporter is being scraped{{ end }}"
                ),
                description=(
                    "Prometheus got no metrics from {{ if $labels.instance }}it for 5 minutes. Unless"
                    " another exporter reads the same portals, no key is monitored{{ else }}any"
                    " exporter for 5 minutes, so no key is monitored{{ end }}:"
                    f" {held}."
                ),
                wait="5m",
                comment="A target is an exporter by the name of its job, or if it had"
                " docspace_exporter_build_info within a day. /probe and textfiles do not have that"
                " metric, so docspace_up also shows that an exporter works.",
            ),
            Alert(
                "DocSpaceProbesFailing",
                "warning",
                'count by (job) (up{job=~"docspace-portals.*"} == 0)\n'
                "unless on () absent(docspace_exporter_build_info)",
                summary=(
                    f"{{{{ $value }}}} {plural('portal', 'portals')} cannot be probed through the"
                    " DocSpace exporter"
                ),
                description=(
                    "These probes got no answer in time for 10 minutes"
                    '{{ with printf "topk(5, up{job=%q} == 0)" $labels.job | query }}, for example'
                    ' {{ range $index, $probe := sortByLabel "instance" . }}'
                    "{{ if $index }}, {{ end }}{{ $probe.Labels.instance }}{{ end }}{{ end }}."
                    " Their keys are not monitored."
                ),
                wait="10m",
            ),
            Alert(
                "DocSpaceTextfileStale",
                "warning",
                'time() - node_textfile_mtime_seconds{file=~".*docspace.*"} > 15 * 60',
                summary=(
                    "The DocSpace exporter's file on {{ $labels.instance }} is"
                    f" {{{{ $value | {DURATION} }}}} old"
                ),
                description=(
                    "node_exporter still serves the old content of {{ $labels.file }}: the keys look"
                    " monitored, but changes are not seen."
                ),
                wait="5m",
            ),
            Alert(
                "DocSpaceExporterReloadFailed",
                "warning",
                "docspace_exporter_config_last_reload_successful == 0",
                summary=(
                    "The DocSpace exporter {{ $labels.instance }} could not load its configuration"
                ),
                description=(
                    "It still uses the old one, so new portals are not monitored. Its log shows the"
                    " file, the field and the expected value."
                ),
                wait="5m",
            ),
        ),
    )

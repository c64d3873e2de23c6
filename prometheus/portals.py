"""The groups of alerts on portals and exporters: whether the keys can be seen at all."""

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
    held = f"alerts that were firing are held for {settings.bridge.one}, new ones do not come"
    return Group(
        "docspace-portals",
        (
            Record(
                ERRORS,
                "topk by (portal, reason) (1, max without "
                f"({REPLICA}) (\n"
                "  increase(docspace_scrape_errors_total"
                '{reason=~"unauthorized|forbidden|rate_limited"}[10m]) > 0\n))',
                "Failures with an alert of their own. Over 10 minutes, since a rate needs"
                " two samples"
                " and scrapes may be 4 minutes apart.",
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
                    f"For at least 10 minutes no exporter has got its key list{reasons('portal')}."
                    f" Its keys are not watched: {held}."
                ),
                links=links,
                wait="10m",
                comment="A 429 has a warning of its own, but only for the first hour: 50 minutes"
                " and the 10 of `for`.",
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
                    " expired, or its creator was disabled or removed{{ else }}has too narrow"
                    " permissions, the exporter's address is not allowed, or the portal is being"
                    " moved or restored{{ end }}."
                    " No key of this portal is watched until that is solved."
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
                    " requests of one person: another program with a key of the same person may be"
                    " the cause."
                    '{{ with printf "max by (portal) (docspace_up{portal=%q}) == 0" $labels.portal'
                    f" | query }}}} Its keys are not watched meanwhile: {held}.{{{{ end }}}}"
                ),
                links=links,
                wait="10m",
            ),
            Alert(
                "DocSpacePortalFlapping",
                "warning",
                f"100 * {one_per_portal('avg_over_time(docspace_up[1h])')} < 50\n"
                "and on (portal) max by (portal) (changes(docspace_up[1h])) > 2",
                summary="Portal {{ $labels.portal }} can be read only now and then",
                description=(
                    'Only {{ printf "%.0f" $value }}% of the scrapes of the last hour got its key'
                    f" list{reasons('portal')}. What happens to its keys is noticed late."
                ),
                links=links,
                wait="10m",
                comment="Through the best of several exporters. A single outage changes docspace_up"
                " twice.",
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
                    "For 30 minutes it has not got the key list"
                    f"{reasons('portal', 'job', 'instance')}."
                    " The keys are watched through another exporter only; if that one fails too,"
                    " they are not watched at all."
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
                    f"{plural('Its key is', 'Their keys are')} in no metric, so no alert comes"
                    " before such a key expires. The exporter's log names what is wrong."
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
                    "Keys expire by the clock of the portal, so all that is said about their expiry"
                    " is off by as much."
                ),
                links=links,
                wait="15m",
            ),
        ),
    )


def exporter(settings: Settings) -> Group:
    """Per exporter."""
    down = f"alerts that were firing are held for {settings.bridge.one}, new ones do not come"
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
                    "{{ if $labels.instance }}For 5 minutes Prometheus has got no metrics from it."
                    " Unless another exporter reads the same portals, no key is watched"
                    "{{ else }}For 5 minutes Prometheus has got metrics of none, so no key is watched"
                    f"{{{{ end }}}}: {down}."
                ),
                wait="5m",
                comment="Targets that are exporters by the name of their job or by what they"
                " exposed"
                " within a day. Neither /probe nor a textfile has docspace_exporter_build_info, so"
                " docspace_up is a sign of life as well.",
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
                    "For 10 minutes these probes got no answer in time"
                    '{{ with printf "topk(5, up{job=%q} == 0)" $labels.job | query }}, among them'
                    ' {{ range $index, $probe := sortByLabel "instance" . }}'
                    "{{ if $index }}, {{ end }}{{ $probe.Labels.instance }}{{ end }}{{ end }}."
                    " Their keys are not watched."
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
                    "node_exporter goes on serving what is in {{ $labels.file }}: the portals' keys"
                    " look watched, but nothing that happens to them is seen."
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
                    "It goes on with the old one: portals that were added are not watched. Its log"
                    " names file, field and what was expected."
                ),
                wait="5m",
            ),
        ),
    )

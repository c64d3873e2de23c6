"""The alert rules as code: thresholds, PromQL pieces, message templates, tables of alerts.

This package knows the names of the metrics and nothing of the exporter's code. It is not part of
the distribution: people take the YAML files beside it. `python -m prometheus.rules` writes them.
"""

"""YAML files read strictly: safe documents, sections whose fields are taken by name, secrets.

Every problem of a file is found in one run, and no message repeats a value. The package must not
know what any field means: ``config`` reads config.yaml with it, the HTTP server its web
configuration.
"""

from exporter.yamlfile.document import ConfigError
from exporter.yamlfile.secret import Secret
from exporter.yamlfile.section import Context, Section

__all__ = ["ConfigError", "Context", "Secret", "Section"]

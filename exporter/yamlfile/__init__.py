"""Strict reading of YAML files: safe documents, sections whose fields are taken by name, secrets.

One run finds all problems of a file, and no message repeats a value. The package must not know the
meaning of any field: ``config`` reads config.yaml with it, ``httpserver`` the web configuration.
"""

from exporter.yamlfile.document import ConfigError
from exporter.yamlfile.secret import Secret
from exporter.yamlfile.section import Context, Section

__all__ = ["ConfigError", "Context", "Secret", "Section"]

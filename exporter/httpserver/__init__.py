"""Serving HTTP by the conventions of Prometheus' exporter-toolkit.

``server`` serves a handler on the sockets that ``listen`` and ``activation`` give. ``webconfig``
reads the web configuration file, ``webfile`` follows its changes and guards the handler with its
users, ``tls`` and ``handshake`` speak HTTPS. The package must not know what is served: any exporter
could take it, with ``yamlfile``, as it is.
"""

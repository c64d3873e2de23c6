"""Serving HTTP by the conventions of Prometheus' exporter-toolkit.

``server`` serves a handler on the sockets that ``listen`` and ``activation`` give. ``webconfig``
and the two ``tls…`` modules beside it read the web configuration file, ``webfile`` follows its
changes, ``tls`` and ``handshake`` speak HTTPS, ``guard`` stands before the handler with users,
headers and the rate limit. The package must not know what is served: any exporter could take it,
with ``yamlfile``, as it is.
"""

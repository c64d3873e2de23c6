"""Serving HTTP by the conventions of Prometheus' exporter-toolkit.

``server`` serves a handler on the sockets that ``listen`` or ``activation`` opens. ``webconfig``
reads the web configuration file. ``webfile`` follows its changes and lets only its users reach the
handler. ``tls`` and ``handshake`` do HTTPS. The package must not know what is served: with
``yamlfile``, any exporter could use it unchanged.
"""

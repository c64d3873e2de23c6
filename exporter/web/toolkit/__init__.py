"""The web configuration file of Prometheus' exporter-toolkit, and what it asks for.

``webconfig`` and the two ``tls…`` modules beside it read the file, ``webfile`` follows its changes,
``tls`` and ``handshake`` speak HTTPS, ``guard`` stands before the application with users, headers
and the rate limit. This room must not know what is served behind it.
"""

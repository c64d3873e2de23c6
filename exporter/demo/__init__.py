"""An embedded DocSpace portal.

It behaves as a DocSpace server, so that the exporter can be tried, shown and tested on real sockets
without one. `model` is a portal's state, `api` its HTTP responses, `server` serves it on a port,
`scenario` builds three portals with keys in every state.

Of the exporter's packages this one imports `httpserver` only. It must not know how the exporter
reads a response, or a test with it would prove little.
"""

"""An embedded DocSpace portal: the other side of the connection.

What is here behaves as a DocSpace server does, so that the exporter can be tried, shown and
tested against real sockets without one. `model` is a portal's state, `api` its HTTP responses,
`server` puts one on a port, `scenario` fills three of them with keys in every condition.

This package knows nothing of the exporter: no import from its other packages, no metric name, no
opinion on how a response is to be read. It would be worth little otherwise.
"""

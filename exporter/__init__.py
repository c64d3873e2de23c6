"""docspace-exporter: Prometheus metrics for the API keys of ONLYOFFICE DocSpace portals."""

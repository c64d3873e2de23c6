# docker build --build-arg REVISION=$(git rev-parse --short HEAD) -t docspace-exporter .
# How to run it: docs/deployment.md

FROM python:3.13-slim-trixie AS build
WORKDIR /src
# The environment gets no pip of its own: the image's one installs into it.
RUN python -m venv --without-pip /opt/docspace-exporter
COPY requirements.lock ./
RUN pip --python /opt/docspace-exporter/bin/python install --no-cache-dir --require-hashes -r requirements.lock
# What builds the package comes by its hash too.
COPY requirements-test.lock ./
RUN sed -n '/^setuptools==/,/^    #/p' requirements-test.lock > build.lock \
    && pip install --no-cache-dir --require-hashes -r build.lock
COPY setup.cfg pyproject.toml README.md LICENSE config.yaml ./
COPY exporter exporter
ARG REVISION=unknown
RUN echo "$REVISION" > exporter/REVISION \
    && pip wheel --no-deps --no-build-isolation --wheel-dir dist . \
    && pip --python /opt/docspace-exporter/bin/python install --no-deps --no-index dist/*.whl

# The same base, since the environment points to its interpreter. It brings ca-certificates along.
FROM python:3.13-slim-trixie
COPY --from=build /opt/docspace-exporter /opt/docspace-exporter
# Needs DOCSPACE_URL and DOCSPACE_API_KEY; mount a folder over this one for more.
COPY config.yaml /etc/docspace-exporter/
# One malloc arena for all threads takes a third of the memory.
ENV PATH=/opt/docspace-exporter/bin:$PATH \
    MALLOC_ARENA_MAX=1 \
    DOCSPACE_EXPORTER_CONFIG_FILE=/etc/docspace-exporter/config.yaml
# A number, so that Kubernetes can tell that it is not root.
USER 65532:65532
EXPOSE 10180
# http.client, since urllib would ask a proxy that HTTP_PROXY names.
HEALTHCHECK --interval=30s --timeout=5s --start-period=5s CMD ["python", "-c", "import http.client; c = http.client.HTTPConnection('localhost', 10180, timeout=4); c.request('GET', '/-/healthy'); raise SystemExit(c.getresponse().status != 200)"]
ARG REVISION=unknown
LABEL org.opencontainers.image.title="docspace-exporter" \
      org.opencontainers.image.description="Prometheus exporter for the API keys of ONLYOFFICE DocSpace portals" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision="$REVISION"
ENTRYPOINT ["docspace-exporter"]
CMD ["serve"]

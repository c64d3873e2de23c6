# docker build --build-arg REVISION=$(git rev-parse --short HEAD) -t docspace-exporter .
# How to run it: docs/getting-started/docker.md
#
# For a build that can be repeated, name the base by its digest:
# --build-arg BASE=python:3.13-slim-trixie@sha256:…
# Another base needs Python 3.11 or newer as python3, its venv module, and ca-certificates.

ARG BASE=python:3.13-slim-trixie

FROM ${BASE} AS build
WORKDIR /src
# The first environment builds. The second is copied into the image and has no pip.
RUN python3 -m venv /build && python3 -m venv --without-pip /opt/docspace-exporter
COPY requirements.lock ./
RUN /build/bin/pip --python /opt/docspace-exporter/bin/python install --no-cache-dir --require-hashes -r requirements.lock
# The build tool is pinned by hash too.
COPY requirements-test.lock ./
RUN sed -n '/^setuptools==/,/^    #/p' requirements-test.lock > build.lock \
    && /build/bin/pip install --no-cache-dir --require-hashes -r build.lock
COPY setup.cfg pyproject.toml README.md LICENSE config.yaml ./
COPY exporter exporter
# Files for share/docspace-exporter.
COPY grafana grafana
COPY prometheus prometheus
COPY deploy deploy
ARG REVISION=unknown
RUN echo "$REVISION" > exporter/REVISION \
    && /build/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir dist . \
    && /build/bin/pip --python /opt/docspace-exporter/bin/python install --no-cache-dir --no-deps --no-index dist/*.whl

# The same base, since the environment uses its interpreter.
FROM ${BASE}
COPY --from=build /opt/docspace-exporter /opt/docspace-exporter
# It needs DOCSPACE_URL and DOCSPACE_API_KEY. Mount a folder here for your own configuration.
COPY config.yaml /etc/docspace-exporter/
# One malloc arena for all threads: memory drops to a third.
ENV PATH=/opt/docspace-exporter/bin:$PATH \
    MALLOC_ARENA_MAX=1 \
    DOCSPACE_EXPORTER_CONFIG_FILE=/etc/docspace-exporter/config.yaml
# A number, because Kubernetes checks runAsNonRoot by the number.
USER 65532:65532
EXPOSE 10180
ARG BASE
ARG REVISION=unknown
LABEL org.opencontainers.image.title="docspace-exporter" \
      org.opencontainers.image.description="Prometheus exporter for the API keys of ONLYOFFICE DocSpace portals" \
      org.opencontainers.image.url="https://github.com/docspace-exporter/docspace-exporter" \
      org.opencontainers.image.source="https://github.com/docspace-exporter/docspace-exporter" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="$BASE" \
      org.opencontainers.image.revision="$REVISION"
ENTRYPOINT ["docspace-exporter"]
CMD ["serve"]

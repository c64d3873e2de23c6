# One-word targets. `make demo` and `make test` set up all they need in .venv, below this folder.
PYTHON ?= python3
BIN := .venv/bin
SOURCES := $(shell find exporter -name '*.py' -o -path '*/templates/*' -type f)
PACKAGE := setup.cfg setup.py pyproject.toml README.md config.yaml $(SOURCES)

.PHONY: demo test lint spelling types check grafana-test format generated docs workflows dashboard \
	rules bench rules-bench attack soak fuzz lock wheel package sdist sbom pythons clean

demo: .venv/demo
	@$(BIN)/docspace-exporter demo $(FLAGS)

# Everything that CI runs: lint, types, tests against the built wheel, branch coverage.
test: lint types check

lint: .venv/test spelling
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

spelling: .venv/test
	$(BIN)/codespell

types: .venv/test
	$(BIN)/mypy

# Most tests wait for a process or a server, so four workers keep two cores busy. A module is run by one
# worker, the longest modules first (tests/conftest.py).
check: .venv/test wheel
	$(BIN)/pip install --quiet --force-reinstall --no-deps dist/*.whl
	rm -f .coverage .coverage.*
	PYTHONDONTWRITEBYTECODE= $(BIN)/coverage run \
		$(BIN)/pytest -n 4 --dist loadfile --no-loadscope-reorder $(ARGS); status=$$?; \
	$(BIN)/coverage combine --quiet && $(BIN)/coverage report; exit $$status

# Draw the dashboards in a real Grafana, from GRAFANA_HOME (the folder of a release) or PATH, and leave
# screenshots in .tools/grafana.
grafana-test: .venv/test
	GRAFANA_REQUIRED=1 PYTHONPATH=$(CURDIR) $(BIN)/pytest tests/test_dashboards_grafana.py $(ARGS)

format: .venv/test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Pages that are generated from the code and kept in the repository; tests fail when they are out of date.
generated: .venv/test
	PYTHONPATH=. $(BIN)/python docs/metrics.py
	PYTHONPATH=. $(BIN)/python docs/flags.py

# The documentation as a web site, in site/. A link or an anchor that leads nowhere is an error.
docs: generated
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# Check the GitHub workflows.
workflows: .venv/test .tools/bin/actionlint
	.tools/bin/actionlint -shellcheck=$(BIN)/shellcheck
	$(BIN)/zizmor --offline --quiet --persona=pedantic .github

.tools/bin/actionlint:
	GOBIN=$(CURDIR)/.tools/bin go install github.com/rhysd/actionlint/cmd/actionlint@v1.7.12

dashboard: .venv/test
	$(BIN)/python -m grafana.dashboard

# The alert rules; `make rules WARN=30d CRITICAL=5d` writes them with other thresholds.
SETTINGS := WARN WARN_SHARE CRITICAL CRITICAL_SHARE IN_USE EXPIRED TRIED STALE CREATED BRIDGE \
	RUNBOOKS GRAFANA OUT
rules: .venv/test
	$(BIN)/python -m prometheus.rules \
		$(foreach name,$(SETTINGS),$(if $(filter command,$(origin $(name))),'$(name)=$($(name))'))

# What the rules cost a real Prometheus with 10,000 keys; fails where a limit is passed.
rules-bench: .venv/test
	PYTHONPATH=$(CURDIR):$(CURDIR)/tests $(BIN)/python benchmarks/rules.py $(ARGS)

# Ratios and differences of one run; these count, single times do not.
bench: .venv/test
	PYTHONPATH=$(CURDIR) $(BIN)/python -m benchmarks $(ARGS)

# Attacks on a real exporter, and how many healthy scrapes get through; under five minutes.
attack: .venv/test
	PYTHONPATH=$(CURDIR):$(CURDIR)/tests $(BIN)/python benchmarks/attack.py $(ARGS)

# Scrapes with faults mixed in, for MINUTES: memory, threads and descriptors stay flat.
soak: .venv/test
	PYTHONPATH=$(CURDIR):$(CURDIR)/tests $(BIN)/python benchmarks/soak.py $(MINUTES)
MINUTES := 10

# Inputs without sense: request heads, portals' answers, configuration; for SECONDS.
fuzz: .venv/test
	PYTHONPATH=$(CURDIR):$(CURDIR)/tests $(BIN)/python benchmarks/fuzz.py $(SECONDS)
SECONDS := 60

# Pin every dependency with its hashes, from the lower bounds in setup.cfg.
lock: .venv/test
	$(BIN)/pip install --quiet pip-tools
	$(BIN)/pip-compile $(LOCK) --output-file=requirements.lock setup.cfg
	$(BIN)/pip-compile $(LOCK) --extra=test --output-file=requirements-test.lock setup.cfg
LOCK := --quiet --upgrade --generate-hashes --allow-unsafe --strip-extras \
	--no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-header

wheel: .venv/test
	rm -rf build dist
	(git rev-parse --short HEAD 2>/dev/null || echo unknown) > exporter/REVISION
	$(BIN)/python -m build --wheel --outdir dist . > /dev/null
	rm -rf build *.egg-info

# What a release consists of, below dist: source distribution, wheel, bill of materials; each checked.
package: sdist sbom pythons
	cd dist && sha256sum *.tar.gz *.whl *.json > SHA256SUMS

# The wheel comes out of the source distribution here, and the same commit gives the same bytes.
sdist: .venv/test
	rm -rf dist
	$(BIN)/python -m release.build dist
	$(BIN)/twine check --strict dist/*
	$(BIN)/check-wheel-contents dist/*.whl
	$(BIN)/validate-pyproject pyproject.toml

sbom: sdist
	$(BIN)/python -m release.sbom dist/*.whl dist/docspace-exporter.cdx.json

# The wheel on every Python from 3.11 to 3.14 that is here; an error where that is but one.
pythons: sdist
	$(BIN)/python -m release.pythons dist/*.whl

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	$(PYTHON) -m venv .venv

.venv/demo: .venv/bin/python requirements.lock $(PACKAGE)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	(git rev-parse --short HEAD 2>/dev/null || echo unknown) > exporter/REVISION
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps .
	@touch $@

.venv/test: .venv/bin/python requirements-test.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-test.lock
	@touch $@

clean:
	rm -rf .venv .tools build dist site exporter/REVISION .coverage .coverage.* .hypothesis \
		.mypy_cache .pytest_cache .ruff_cache

# The Helm chart and the image. Programs by Go's own client, below .tools; each takes minutes to build.
HELM := v3.19.0
HELM_DOCS := v1.14.2
OPERATOR := v0.85.0
GO_INSTALL = GOBIN=$(CURDIR)/.tools/bin GOFLAGS=-trimpath nice go install

.PHONY: chart chart-test image-test

# What is generated from the chart: its README, golden files, and the manifests of deploy/kubernetes.
chart: .venv/test .tools/bin/helm .tools/bin/helm-docs
	PYTHONPATH=$(CURDIR)/tests $(BIN)/python -m support.chart

# Render the chart with a real Helm, and check each resource against schemas of Kubernetes and of the operator.
chart-test: .venv/test .tools/bin/helm .tools/bin/helm-docs .tools/crds
	CHART_REQUIRED=1 PYTHONPATH=$(CURDIR) $(BIN)/pytest tests/test_chart.py tests/test_chart_rendered.py $(ARGS)

# Build the image with buildah on a base from debootstrap, and run it. As root, with podman and runc.
image-test: .venv/test
	IMAGE_REQUIRED=1 PYTHONPATH=$(CURDIR) $(BIN)/pytest tests/test_image.py $(ARGS)

.tools/bin/helm:
	$(GO_INSTALL) helm.sh/helm/v3/cmd/helm@$(HELM)

.tools/bin/helm-docs:
	$(GO_INSTALL) github.com/norwoodj/helm-docs/cmd/helm-docs@$(HELM_DOCS)

# The custom resource definitions of the Prometheus operator, out of its Go module.
.tools/crds:
	mkdir -p .tools
	go mod download -json github.com/prometheus-operator/prometheus-operator@$(OPERATOR) > .tools/operator.json
	mkdir -p $@.new
	cp "$$(sed -n 's/.*"Dir": "\(.*\)".*/\1/p' .tools/operator.json)"/example/prometheus-operator-crd/*.yaml $@.new/
	chmod -R u+w $@.new
	mv $@.new $@

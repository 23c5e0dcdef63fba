# `make` lists the doors. serve and test set up all they need from python3, make and git.
PYTHON ?= python3
# Flags for every pip call, e.g. PIP_FLAGS="--extra-index-url https://download.pytorch.org/whl/cpu"
# gives the small CPU build of PyTorch where the default index would bring the CUDA one.
PIP_FLAGS ?=
SERVE := .venv
DEV := .venv-dev
PIP := -m pip --disable-pip-version-check --quiet
CODE := service models export_tools tests benchmarks .ci deploy
PIP_AUDIT ?= $(DEV)/bin/uv tool run --quiet pip-audit@2.10.1
CYCLONEDX ?= $(DEV)/bin/uv tool run --quiet --from cyclonedx-bom==7.5.0 cyclonedx-py

export FEATHERBOX_HOST ?= 127.0.0.1
export FEATHERBOX_PORT ?= 8000

.DEFAULT_GOAL := help
.PHONY: help serve exporter test test-page check lint types imports artifacts bench bench-quick bench-rivals check-zoo check-libraries scorecard fuzz sbom audit image lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

serve: $(SERVE)/.ready ## run the server on the models that ship (FEATHERBOX_HOST, FEATHERBOX_PORT)
	@exec $(SERVE)/bin/featherbox serve

exporter: $(DEV)/.ready ## install the exporter and all tools into .venv-dev, without running the tests

test: $(DEV)/.ready ## run the tests
	$(DEV)/bin/python -m pytest -n 2 --dist loadfile

test-page: $(DEV)/.ready ## test the page in headless Chromium (as root it installs Debian's)
	@$(DEV)/bin/python -m tests.page.chromium
	$(DEV)/bin/python -m pytest tests/page

check: lint types imports test test-page ## everything that CI runs: lint, format, types, import rules, tests

lint: $(DEV)/.ready
	$(DEV)/bin/ruff check $(CODE)
	$(DEV)/bin/ruff format --check $(CODE)

types: $(DEV)/.ready
	$(DEV)/bin/mypy

imports: $(DEV)/.ready
	$(DEV)/bin/lint-imports

artifacts: $(DEV)/.ready ## rebuild every model that ships (minutes)
	$(DEV)/bin/featherbox-export artifacts

bench: $(DEV)/.ready ## measure the server: every goal with its verdict (5 minutes)
	$(DEV)/bin/python -m benchmarks.table

bench-quick: $(DEV)/.ready ## the same with short loads (2 minutes)
	$(DEV)/bin/python -m benchmarks.table --quick

bench-rivals: $(DEV)/.ready ## the same beside other servers, installed under build/ (20 minutes)
	$(DEV)/bin/python -m benchmarks.table --rivals --save

check-zoo: $(DEV)/.ready ## every variant of every net from export to the engine (half an hour)
	$(DEV)/bin/python -m export_tools.check_zoo --table docs/models.md

check-libraries: $(DEV)/.ready ## compare our nets with timm, torchvision and pytorchcv where installed
	$(DEV)/bin/python -m export_tools.check_libraries

scorecard: $(DEV)/.ready ## try to break the server: 29 rows, each a figure with its target (9 minutes)
	$(DEV)/bin/python -m benchmarks.reliability --save

FUZZ_SECONDS ?= 60
fuzz: $(DEV)/.ready ## damaged files into the decoder (FUZZ_SECONDS=60)
	$(DEV)/bin/python -m benchmarks.reliability.fuzz_decode --seconds $(FUZZ_SECONDS)

sbom: $(DEV)/.ready ## write build/sbom.json: what requirements.lock installs (CycloneDX 1.6)
	@mkdir -p build
	$(CYCLONEDX) requirements requirements.lock --pyproject pyproject.toml --mc-type application \
	  --output-reproducible --spec-version 1.6 --output-format JSON --output-file build/sbom.json

audit: $(DEV)/.ready ## look for known vulnerabilities in requirements.lock; fails if it could not see any
	$(DEV)/bin/python .ci/audit.py $(PIP_AUDIT)

image: ## build the container image
	docker build -t featherbox:local .

lock: $(DEV)/.ready ## renew the locks: server and its GPU build (with hashes), development
	$(DEV)/bin/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url \
	  --python-version 3.11 --upgrade --custom-compile-command "make lock" \
	  pyproject.toml -o requirements.lock
	sed -n '/^dependencies = /,/^]/ s/^ *"\(.*\)",.*/\1/p' pyproject.toml \
	  | sed 's/^onnxruntime>=/onnxruntime-gpu[cuda,cudnn]>=/' \
	  | $(DEV)/bin/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url \
	    --python-version 3.11 --constraint requirements.lock --custom-compile-command "make lock" \
	    - -o requirements-gpu.lock
	$(DEV)/bin/python -m pip freeze --exclude-editable --exclude torch > requirements-dev.lock

clean: ## remove the environments and caches
	rm -rf $(SERVE) $(DEV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

$(SERVE)/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Featherbox needs Python 3.11 or newer; name one with make PYTHON=python3.12")'
	$(PYTHON) -m venv $(SERVE)
	$(SERVE)/bin/python $(PIP) install $(PIP_FLAGS) --require-hashes -r requirements.lock
	$(SERVE)/bin/python $(PIP) install $(PIP_FLAGS) --no-deps -e .
	@touch $@

$(DEV)/.ready: requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Featherbox needs Python 3.11 or newer; name one with make PYTHON=python3.12")'
	$(PYTHON) -m venv $(DEV)
	$(DEV)/bin/python $(PIP) install $(PIP_FLAGS) torch==2.13.0
	$(DEV)/bin/python $(PIP) install $(PIP_FLAGS) -c requirements-dev.lock -e '.[export,digits,otel,dev]'
	@touch $@

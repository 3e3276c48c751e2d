# Every target installs its own dependencies, so that it works on a fresh clone.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN_READY := $(VENV)/.ready-run
DEV_READY := $(VENV)/.ready-dev
BENCH_READY := $(VENV)/.ready-bench
FUZZ_READY := $(VENV)/.ready-fuzz
# The benchmarks' peers need other versions of some dependencies.
PEERS := build/peers
PEERS_READY := $(PEERS)/.ready
VALIDATION := build/validation
VALIDATION_READY := $(VALIDATION)/.ready
DOCS := build/docs
DOCS_READY := $(DOCS)/.ready
# Most tests wait for processes to start or to notice that another one died. Files run in the order of collection, with
# quick ones last: by default pytest-xdist starts with the files of many tests, and ends with a few long ones, one after
# the other.
JOBS ?= 2
PYTEST = $(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder
SUPPLY := build/supply
SUPPLY_READY := $(SUPPLY)/.ready
COMPILE := $(BIN)/uv pip compile -q --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-header --no-annotate --upgrade
# Gateway and workers never send what the client sends, and `make run` reads no recordings: their environments hold neither
# the client's HTTP library nor the readers' libraries.
WITHOUT_CLIENT := $(addprefix --no-emit-package ,httpcore httpx)
WITHOUT_READERS := $(addprefix --no-emit-package ,defusedxml ecgdatakit pydicom soundfile xmltodict)
# The longest files first: given a folder beside them, pytest would run them in its order. Tests of HTTP, the command
# line, logs and computing do not depend on the broker: they run on the embedded one, and here only with ALL=1. The fault
# suite tests on three nodes how processes stop.
SAME_ANYWHERE := batches cli client client_watch event_loop http_contract idempotency insights internal limits load_generator \
	logs measurements_over_http messages packed_over_http packed_page parameters path_prefix readme reading recompute \
	recordings_client recordings_over_http recordings_page stopping traces waiting worker_stops
LONGEST := $(addprefix tests/local/test_,kafka_cluster.py durable_stack.py) tests/faults/test_commit.py \
	$(addprefix tests/pipeline/test_,users.py permissions.py faults.py erasure.py reading_faults.py)
KAFKA_TESTS := $(LONGEST) $(if $(ALL),tests/local/test_lifetime.py) \
	$(filter-out $(LONGEST) $(if $(ALL),,$(SAME_ANYWHERE:%=tests/pipeline/test_%.py)),$(sort $(wildcard tests/pipeline/test_*.py)))

SECURED := $(if $(SECURE),ECG_TEST_SECURE=1)

.DEFAULT_GOAL := help
.PHONY: help run demo test test-fast test-slow test-all test-kafka test-compose test-faults test-chaos safeguards fuzz bench validate check contracts docs sbom audit-dependencies release lock clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: $(RUN_READY) ## run the whole pipeline until Ctrl-C: make run [BROKER=kafka: keep all data] [WORKERS=n] [GATEWAYS=m]
	@exec $(BIN)/python -m local_stack up $(if $(BROKER),--broker "$(BROKER)") \
		$(if $(WORKERS),--workers "$(WORKERS)") $(if $(GATEWAYS),--gateways "$(GATEWAYS)")

demo: $(if $(RECORD),$(DEV_READY),$(RUN_READY)) ## submit an ECG to the running pipeline: make demo [RECORD=path of a recording]
	@exec $(BIN)/python -m ecg_client demo $(if $(RECORD),"$(RECORD)")

test: $(DEV_READY) ## run the tests on the embedded broker: make test [T=path: only these]
	@echo "Running the tests on the embedded broker$(if $(T),, (about eight minutes on two cores))"
	@exec $(PYTEST) -m "not kafka and not docker and not slow" $(T)

test-fast: $(DEV_READY) ## run the tests that start no process, on fewer random examples (half a minute)
	@ECG_HOSTILE_EXAMPLES=20 exec $(PYTEST) -q --hypothesis-profile=fast -m "not slow" tests/unit

test-slow: $(DEV_READY) ## run the tests that `make test` leaves out, as long runs or repeats, except those of `make test-kafka`: make test-slow [T=path: only these]
	@exec $(PYTEST) -m "slow and not kafka and not docker" $(or $(T),$(KAFKA_TESTS:%=--ignore=%))

test-all: ## run every test: on the embedded broker, on Apache Kafka, on a Docker engine, and the worst faults (three quarters of an hour)
	@$(MAKE) test
	@$(MAKE) test-slow
	@$(MAKE) test-kafka
	@$(MAKE) test-compose
	@$(MAKE) test-faults SHORT=1

test-kafka: $(DEV_READY) ## run the pipeline's tests on Apache Kafka (Java 17, Maven): make test-kafka [BROKER=docker|HOST:PORT] [ALL=1: also tests that do not depend on the broker] [SECURE=1: with TLS, passwords and permissions]
	@echo "Running the pipeline's tests on Apache Kafka (about ten minutes on two cores; Maven downloads it the first time)"
	@$(SECURED) exec $(PYTEST) $(KAFKA_TESTS) --broker $(or $(BROKER),kafka)

test-compose: $(DEV_READY) ## build the image, and test the cluster of docker-compose.yml and its failures on a Docker engine (ten minutes)
	@exec $(BIN)/python -m pytest tests/compose tests/pipeline/test_http_contract.py --broker compose

test-faults: $(DEV_READY) ## inject faults into a replicated stack under load, and write docs/reliability.md (an hour; SHORT=1: ten minutes; ONLY=coordinator: tests with this name; SECURE=1: with TLS, passwords and permissions)
	@$(SECURED) $(if $(SHORT),ECG_FAULTS_SHORT=1) exec $(BIN)/python -m pytest tests/faults/test_scenarios.py tests/faults/test_chaos.py \
		-s --show-capture=no $(if $(ONLY),-k "$(ONLY)")

test-chaos: $(DEV_READY) ## kill, freeze and restart all processes at random: make test-chaos [SECONDS=600] [SEED=n] [SECURE=1]
	@$(SECURED) ECG_CHAOS_SECONDS=$(or $(SECONDS),600) ECG_CHAOS_SEED=$(SEED) exec $(BIN)/python -m pytest tests/faults/test_chaos.py -s --show-capture=no

safeguards: $(DEV_READY) ## remove each safeguard of docs/security.md in turn, and check that its tests fail (half an hour, as long again with a Docker engine; ONLY=erasure: those with this name)
	@exec $(BIN)/python -m tests.safeguards $(ONLY)

fuzz: $(FUZZ_READY) ## fuzz every decoder, guided by coverage: make fuzz [SECONDS=600]
	@mkdir -p build/fuzz
	@exec $(BIN)/python -m tests.hostile.fuzz build/fuzz -artifact_prefix=build/fuzz- -max_len=8192 -timeout=10 -rss_limit_mb=2048 \
		-max_total_time=$(or $(SECONDS),600)

bench: $(BENCH_READY) $(if $(BASE),,$(PEERS_READY)) ## compare the pipeline with its peers on Apache Kafka (Java 17, Maven; Chromium for the page), and write docs/benchmarks.md (an hour; QUICK=1: ten minutes; ONLY=process: one part; BASE=main: compare with this revision instead; ONLY=memory: an hour [MINUTES=60])
	@exec $(BIN)/python -m benchmarks $(ONLY) $(if $(QUICK),--quick) $(if $(BASE),--base "$(BASE)") $(if $(MINUTES),--minutes "$(MINUTES)")

validate: $(VALIDATION_READY) ## run the insights and other libraries on annotated recordings, and write docs/validation.md: make validate DATA=folder with mitdb/, nstdb/, ludb/, ptbxl/, cpsc2019/ [SETS=ludb: only some]
	@exec $(VALIDATION)/bin/python -m validation "$(DATA)" $(SETS)

check: $(DEV_READY) ## lint, formatting, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

contracts: $(DEV_READY) ## generate docs/openapi.json, docs/asyncapi.yaml, docs/schemas/, docs/kafka-acls.md, docs/settings.md, docs/insights.md and the catalogues of insights from the code
	@exec $(BIN)/python -m contracts

docs: $(DOCS_READY) ## build the documentation into build/site, a site that needs no network
	@NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/mkdocs build --strict --config-file docs_site/mkdocs.yml
	@echo "Built build/site/index.html"

sbom: $(SUPPLY_READY) ## write build/sbom.json, the image's bill of materials (CycloneDX)
	@PYTHONWARNINGS=ignore $(SUPPLY)/bin/cyclonedx-py requirements --pyproject pyproject.toml --mc-type application --spec-version 1.6 \
		--output-format JSON --output-reproducible --validate --output-file build/sbom.json requirements-service.lock
	@echo "Written: build/sbom.json"

audit-dependencies: $(SUPPLY_READY) ## check the image's dependencies for known vulnerabilities (asks an online service)
	@exec $(SUPPLY)/bin/pip-audit --strict --require-hashes --disable-pip -r requirements-service.lock

release: $(DEV_READY) sbom ## build wheel, source distribution and bill of materials into build/dist, and check them in fresh environments
	@exec .ci/release

lock: $(DEV_READY) ## update the lock files to the newest versions
	$(BIN)/pip install -q uv
	$(COMPILE) pyproject.toml --extra service --extra otel $(WITHOUT_CLIENT) -o requirements-service.lock
	$(COMPILE) pyproject.toml --extra local --extra otel $(WITHOUT_READERS) -o requirements.lock
	$(COMPILE) pyproject.toml --extra dev -o requirements-dev.lock
	$(COMPILE) --group fuzz --constraints requirements-dev.lock -o requirements-fuzz.lock
	$(COMPILE) --group bench --constraints requirements-dev.lock -o requirements-bench.lock
	$(COMPILE) --group docs -o requirements-docs.lock
	$(COMPILE) --group peers -o requirements-peers.lock
	$(COMPILE) --group validation -o requirements-validation.lock
	$(COMPILE) --group supply -o requirements-supply.lock

clean: ## remove everything that the targets created, except data/ (of it, only data/embedded goes)
	rm -rf $(VENV) data/embedded build .mypy_cache .pytest_cache .ruff_cache .hypothesis .schemathesis

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Python 3.11 or newer is needed; name it with: make PYTHON=/path/to/python3.11 ..." >&2; exit 2; }
	@echo "Creating a virtual environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)

$(RUN_READY): requirements.lock | $(BIN)/python
	@echo "Installing the pipeline's dependencies into $(VENV) (once, about half a minute)"
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

$(DEV_READY): requirements-dev.lock | $(BIN)/python
	@echo "Installing the tests' dependencies into $(VENV) (once, about a minute)"
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-index --no-deps --no-build-isolation -e .
	@touch $@ $(RUN_READY)

$(BENCH_READY): requirements-bench.lock $(DEV_READY)
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-bench.lock
	@touch $@

$(FUZZ_READY): requirements-fuzz.lock $(DEV_READY)
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-fuzz.lock
	@touch $@

$(PEERS_READY): requirements-peers.lock | $(BIN)/python
	@echo "Installing the benchmarks' peers into $(PEERS) (once, about half a minute)"
	@$(BIN)/python -m venv --clear $(PEERS)
	@$(PEERS)/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-peers.lock
	@touch $@

$(VALIDATION_READY): requirements-validation.lock | $(BIN)/python
	@echo "Installing the libraries for the validation into $(VALIDATION) (once, about a minute)"
	@$(BIN)/python -m venv --clear $(VALIDATION)
	@$(VALIDATION)/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-validation.lock
	@touch $@

$(SUPPLY_READY): requirements-supply.lock | $(BIN)/python
	@echo "Installing the checkers of dependencies into $(SUPPLY) (once, about ten seconds)"
	@$(BIN)/python -m venv --clear $(SUPPLY)
	@$(SUPPLY)/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-supply.lock
	@touch $@

$(DOCS_READY): requirements-docs.lock | $(BIN)/python
	@echo "Installing the builder of the site into $(DOCS) (once, about ten seconds)"
	@$(BIN)/python -m venv --clear $(DOCS)
	@$(DOCS)/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-docs.lock
	@touch $@

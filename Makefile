# Everything runs in .venv, which the first target that needs it makes. Nothing must be set up.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
RESOLVE := $(VENV)/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 \
	--no-header --no-annotate
PACKAGES := dbt_packages/dbt_utils/dbt_project.yml
DBT_UTILS := $(wildcard local/dbt_utils/* local/dbt_utils/macros/*)
# dbt, dlt, psql and sqlfluff that know this clone's server.
WRAPPERS := $(addprefix local/bin/,dbt dlt mf psql sqlfluff)
# Airflow has an environment of its own: it and dbt want different versions of much. So has
# MetricFlow, which few people need.
AIRFLOW := .venv-airflow
METRICS := .venv-metrics
# So has the dashboard: pandas and a browser's driver are nobody else's.
DASHBOARD := .venv-dashboard
# So has the lakehouse: Spark alone is 400 MB.
SPARK := .venv-spark
LINK = ln -sf $(addprefix ../../,$(WRAPPERS)) $(VENV)/bin/
INSTALL := $(PY) -m pip install --quiet --disable-pip-version-check --no-deps

# Given on the command line, these reach the programs through the environment:
# BUCKET_URL, LAKE_URL, SCALE (of the sample bucket), POSTGRES_*. See README.md.
# So does ENGINE: with spark, the programs run in an environment that has it.
ifeq ($(ENGINE),spark)
PY_OF_ENGINE := $(SPARK)/bin/python
run answers status: $(SPARK)/.spark
else
PY_OF_ENGINE := $(PY)
endif
SOURCES ?=
FULL ?=
Q ?=
export QUERY = $(value Q)

.DEFAULT_GOAL := help
.PHONY: help setup run test all-tests check check-tests faults lint lint-python lint-dbt format up \
	roles down answers status lake psql docs docs-publish erd bench bench-spark airflow \
	airflow-setup airflow-test lambda deploy destroy deploy-tables deploy-test mock-aws lint-template metrics \
	metrics-setup metrics-test dashboard dashboard-test dashboard-speed screenshots spark-up \
	spark-down parity spark-test spark-faults lakehouse-test lock clean

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

setup: $(VENV)/.run $(PACKAGES) ## Install what `make run` needs (other targets do it)

run: setup ## Load, build and test what is new, print the answers (SOURCES="...", FULL=1, SCALE=N)
	@$(PY_OF_ENGINE) -m orchestrate run $(if $(FULL),--full) $(SOURCES)

# Tests run in this many processes. (Not called WORKERS: dlt would take that for itself.)
PROCESSES ?= 3
PYTEST = $(PY) -m pytest -n $(PROCESSES) --dist loadfile --no-loadscope-reorder
# Linters and tests side by side.
TOGETHER := $(MAKE) --no-print-directory --jobs=2
# What chance decides: kills, malformed files and random histories, as many as these say.
FAULTS := tests/faults tests/lake/test_faults.py tests/marts/test_census.py \
	tests/marts/test_incremental.py
faults: export KILLS ?= 200
faults: export FILES ?= 1000
faults: export SEQUENCES ?= 100
test: export KILLS ?= 5
test: export FILES ?= 40
test: export SEQUENCES ?= 2

test: setup $(VENV)/.test ## Check everything once: linters, types, dbt and Python tests (but those marked nightly)
	@$(TOGETHER) all-tests lint-python lint-dbt

all-tests: setup $(VENV)/.test
	@$(PYTEST) -m "not nightly"

# Whole loads, their command and dlt's; and a build with all tests, unit tests among them.
MAIN := tests/quality $(addprefix tests/extract/test_,load.py files.py dlt.py)
check: setup $(VENV)/.test ## Check the most: linters, quality, loads, one build
	@$(TOGETHER) check-tests lint-dbt lint-python

check-tests: setup $(VENV)/.test
	@$(PY) -m pytest -q $(MAIN)

faults: setup $(VENV)/.test ## Repeat what chance decides (KILLS=200 FILES=1000 SEQUENCES=100); tests marked nightly
	@$(PYTEST) $(FAULTS)
	@$(PYTEST) -m nightly $(addprefix --ignore=,$(FAULTS)) tests

lint: setup $(VENV)/.test ## Run the linters alone
	@$(TOGETHER) --output-sync=target lint-dbt lint-python

lint-python: setup $(VENV)/.test
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/lint-imports --no-logo --no-cache
	@$(VENV)/bin/deptry .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml
	@$(VENV)/bin/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml

lint-dbt: setup $(VENV)/.test
	@$(VENV)/bin/dbt --quiet parse
	@$(VENV)/bin/dbt-bouncer run --only manifest_checks --show-all-failures
	@$(VENV)/bin/sqlfluff lint --disable-progress-bar models analyses tests

format: setup $(VENV)/.test ## Let ruff and sqlfluff rewrite what they can
	@$(VENV)/bin/ruff check --fix .
	@$(VENV)/bin/ruff format .
	@$(VENV)/bin/sqlfluff fix models analyses tests

up: setup ## Start PostgreSQL and leave it running
	@$(PY) -m local up

roles: setup ## Make the roles loader, transformer and reader on the server that POSTGRES_* names
	@$(VENV)/bin/psql -qX -v ON_ERROR_STOP=1 -f local/roles.sql

down: setup ## Stop PostgreSQL
	@$(PY) -m local down

answers: setup ## Print the answers from what is built, or write them (FORMAT=csv|json|html OUT=folder)
	@$(PY_OF_ENGINE) -m orchestrate answers $(if $(FORMAT),--format $(FORMAT)) $(if $(OUT),--out "$(OUT)")

status: setup ## Say how each source and the last runs are; exit code 1 if anything is wrong
	@$(PY_OF_ENGINE) -m orchestrate status

lake: setup ## Publish the marts to the lake that LAKE_URL names, or to .local/lake: parquet, Iceberg
	@$(PY) -m lake publish

psql: setup ## Open a prompt, or run one query: make -s psql Q="select ..."
	@if [ -n "$$QUERY" ]; then exec $(VENV)/bin/psql -X -v ON_ERROR_STOP=1 -At -c "$$QUERY"; \
	else exec $(VENV)/bin/psql; fi

docs: setup ## Build the lineage and documentation site and serve it on http://localhost:8080
	@$(VENV)/bin/dbt docs generate
	@$(VENV)/bin/dbt docs serve --no-browser --host 127.0.0.1 --port 8080

docs-publish: setup ## Publish that site to the lake: LAKE_URL/docs/index.html
	@$(VENV)/bin/dbt --quiet docs generate --static
	@$(PY) -m lake docs target

erd: setup $(VENV)/.test ## Draw the tables and the lineage anew: docs/diagrams.md, docs/diagrams/
	@$(VENV)/bin/dbt --quiet parse
	@$(PY) -m tests.diagrams target/manifest.json

# The warehouse on AWS: deploy/README.md. What tests it is in an environment of its own.
DEPLOY := .venv-deploy
IN_LAMBDA := tests/deploy/test_handler.py::test_six_files_of_original_size_take_20_s_and_256_mb_at_most

bench: setup lambda $(VENV)/.bench $(DEPLOY)/.test ## Time loads, builds and whole runs against COPY, sling and SQL (SCALE=N)
	@$(PY) -m tests.benchmark $(if $(SCALE),--scale $(SCALE))
	@$(PY) -m tests.benchmark.runs $(if $(SCALE),--scale $(SCALE))
	@$(DEPLOY)/bin/python -m pytest -q $(IN_LAMBDA)

bench-spark: setup $(SPARK)/.spark ## Time loads, builds and tests of both engines as rows grow (SCALE=1,10,50 NEWS=1)
	@$(SPARK)/bin/python -m tests.benchmark.engines $(if $(SCALE),--scale $(SCALE)) \
		$(if $(NEWS),--news)

STACK ?= elt-warehouse

lambda: setup ## Build the package of the Lambda function into .local/lambda
	@$(PY) -m deploy package

deploy: setup ## Show what would change on AWS, ask, and change it (STACK=..., PARAMETERS="Name=value")
	@$(PY) -m deploy apply $(STACK) $(PARAMETERS)

destroy: setup ## Show what would be removed from AWS, ask, and remove it; data stays (DATA=delete)
	@$(PY) -m deploy destroy $(STACK) $(if $(DATA),--data $(DATA))

deploy-tables: setup ## Write the lake's tables into deploy/template.yaml
	@$(PY) -m lake catalog deploy/template.yaml

mock-aws: $(DEPLOY)/.test ## Serve a mock of AWS on http://127.0.0.1:5055, to try `make deploy` on
	@$(DEPLOY)/bin/python -m tests.deploy

lint-template: $(DEPLOY)/.test
	@$(DEPLOY)/bin/cfn-lint deploy/template.yaml

deploy-test: lambda lint-template ## Test the function, its package and the template on a mock of AWS
	@$(DEPLOY)/bin/python -m pytest -n 2 --dist loadfile tests/deploy

airflow: airflow-setup ## Run Airflow with the DAG in dags/ on http://127.0.0.1:8081
	@exec $(PYTHON) local/bin/airflow_server.py

# What dbt parses is what the DAG shows: again, whenever the models changed.
airflow-setup: setup $(AIRFLOW)/.airflow
	@$(VENV)/bin/dbt --quiet parse --profile elt_warehouse --target main \
		--target-path .local/airflow/dbt
	@local/bin/airflow db migrate > .local/airflow/setup.log 2>&1 && \
		local/bin/airflow pools import dags/pools.json >> .local/airflow/setup.log 2>&1 || \
		{ cat .local/airflow/setup.log >&2; exit 1; }

airflow-test: airflow-setup $(VENV)/.test ## Run the DAG with Airflow: all good, and with a broken file
	@$(PY) -m pytest tests_airflow

metrics: metrics-setup ## Ask for metrics: make metrics Q="--metrics orders --group-by metric_time__month"
	@if [ -n "$$QUERY" ]; then local/bin/mf query --decimals 4 $(value Q); \
	else local/bin/mf list metrics; fi

metrics-setup: setup $(METRICS)/.metrics

metrics-test: metrics-setup $(VENV)/.test ## Test that every metric equals SQL on the marts
	@$(PY) -m pytest tests_metrics

# Iceberg and Spark in place of PostgreSQL: docs/lakehouse.md.
# The stars take longest, so they come first.
spark-test: export FILES ?= 20
spark-test: setup $(SPARK)/.spark ## Test lakehouse and Spark: loads equal PostgreSQL's and are atomic, two stars, pitfalls
	@$(SPARK)/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not nightly" \
		tests_spark/test_stars.py tests_spark

spark-faults: export KILLS ?= 20
spark-faults: setup $(SPARK)/.spark ## Kill a worker, the Thrift server and loads; two builds at once; the lake read by Spark
	@$(SPARK)/bin/python -m pytest -m nightly tests_spark

lakehouse-test: $(SPARK)/.spark ## Run the tests of loads once more, on the lakehouse (10 minutes)
	@ENGINE=spark $(SPARK)/bin/python -m pytest -n 2 --dist loadfile -m "not postgres" tests/extract

# Who it acts as: DASHBOARD_ROLE, by default reader. Where: DASHBOARD_PORT. See docs/dashboard.md.
dashboard: setup $(DASHBOARD)/.dashboard ## Serve the dashboard on http://127.0.0.1:8501
	@exec $(PY) -m dashboard

dashboard-test: setup $(VENV)/.test $(DASHBOARD)/.dashboard ## Test the dashboard in a browser (Chromium)
	@$(VENV)/bin/mypy --python-executable $(DASHBOARD)/bin/python dashboard tests_dashboard
	@$(DASHBOARD)/bin/python -m pytest tests_dashboard

dashboard-speed: setup $(DASHBOARD)/.dashboard ## Time the pages (SCALE=10): first paint within 2 s, first figure 3 s, a filter 1 s
	@SCALE=$${SCALE:-10} $(DASHBOARD)/bin/python -m pytest -s tests_dashboard/speed.py

screenshots: setup $(DASHBOARD)/.dashboard ## Take the pictures of the dashboard in docs/img anew
	@SCREENSHOTS=docs/img $(DASHBOARD)/bin/python -m pytest tests_dashboard/test_pages.py

spark-up: setup $(SPARK)/.spark ## Start a Spark cluster over the lakehouse and leave it running
	@$(SPARK)/bin/python -m local spark-up

spark-down: setup ## Stop the Spark cluster
	@$(PY) -m local spark-down

parity: setup $(SPARK)/.spark ## Load and build on both engines, and compare all (SCALE=N)
	@$(SPARK)/bin/python -m tests_spark.parity

lock: $(VENV)/.test ## Resolve requirements*.in anew into the lock files
	@$(INSTALL) uv
	@$(RESOLVE) requirements-dev.in --override requirements-overrides.in \
		--output-file requirements-dev.lock
	@$(RESOLVE) requirements.in --constraint requirements-dev.lock --output-file requirements.lock
	@$(RESOLVE) requirements-bench.in --constraint requirements-dev.lock \
		--output-file requirements-bench.lock
	@$(RESOLVE) requirements-lambda.in --constraint requirements-dev.lock \
		--output-file requirements-lambda.lock
	@$(RESOLVE) requirements-deploy.in --constraint requirements-dev.lock \
		--output-file requirements-deploy.lock
	@$(RESOLVE) requirements-metrics.in --constraint requirements-dev.lock \
		--output-file requirements-metrics.lock
	@$(RESOLVE) requirements-dashboard.in --constraint requirements-dev.lock \
		--output-file requirements-dashboard.lock
	@$(RESOLVE) requirements-spark.in --constraint requirements-dev.lock \
		--output-file requirements-spark.lock
	@$(RESOLVE) requirements-airflow.in --output-file requirements-airflow.lock

clean: ## Stop PostgreSQL and Spark, and remove everything that make made, the database included
	@if [ -x $(PY) ]; then $(PY) -m local spark-down; $(PY) -m local down --delete; fi
	rm -rf $(VENV) $(AIRFLOW) $(DEPLOY) $(METRICS) $(DASHBOARD) $(SPARK) .local dbt_packages target logs

# One installation at a time: whoever comes second waits, and finds it done. Nothing of it is printed
# on stdout, which belongs to what is run.
ifndef INSTALLING
$(VENV)/.run: requirements.lock $(WRAPPERS)
$(VENV)/.test: requirements-dev.lock $(VENV)/.run
$(VENV)/.bench: requirements-bench.lock $(VENV)/.run
$(DEPLOY)/.test: requirements-deploy.lock
$(AIRFLOW)/.airflow: requirements-airflow.lock
$(METRICS)/.metrics: requirements-metrics.lock
$(DASHBOARD)/.dashboard: requirements-dashboard.lock
$(SPARK)/.spark: requirements-spark.lock
$(PACKAGES): packages.yml $(DBT_UTILS) | $(VENV)/.run
$(VENV)/.run $(VENV)/.test $(VENV)/.bench $(DEPLOY)/.test $(AIRFLOW)/.airflow $(METRICS)/.metrics \
		$(DASHBOARD)/.dashboard $(SPARK)/.spark $(PACKAGES):
	@$(PYTHON) local/bin/one_at_a_time.py $(MAKE) --no-print-directory INSTALLING=1 $@
else
$(VENV)/.run: requirements.lock $(WRAPPERS)
	@echo "Installing Python packages into $(VENV) (once, about a minute) ..."
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if (3, 11) <= v < (3, 14) else \
		f"error: Python 3.11 to 3.13 is needed, this is {v[0]}.{v[1]}: make PYTHON=python3.12 ...")'
	@$(PY) -m pip --version > /dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@$(INSTALL) -r requirements.lock
	@$(LINK)
	@touch $@

$(VENV)/.test: requirements-dev.lock $(VENV)/.run
	@echo "Installing the test tools into $(VENV) (once) ..."
	@$(INSTALL) -r requirements-dev.lock
	@$(LINK)
	@touch $@

$(VENV)/.bench: requirements-bench.lock $(VENV)/.run
	@echo "Installing what the benchmark compares with into $(VENV) (once) ..."
	@$(INSTALL) -r requirements-bench.lock
	@touch $@

# An environment of its own, $(@D), with what the lock file $< says.
define INSTALL_APART
@$(@D)/bin/python -m pip --version > /dev/null 2>&1 || $(PYTHON) -m venv --clear $(@D)
@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r $<
@touch $@
endef

$(DEPLOY)/.test: requirements-deploy.lock
	@echo "Installing what tests the deployment into $(DEPLOY) (once) ..."
	$(INSTALL_APART)

$(AIRFLOW)/.airflow: requirements-airflow.lock
	@echo "Installing Airflow into $(AIRFLOW) (once, about a minute) ..."
	$(INSTALL_APART)

$(METRICS)/.metrics: requirements-metrics.lock
	@echo "Installing MetricFlow into $(METRICS) (once, about half a minute) ..."
	$(INSTALL_APART)

$(DASHBOARD)/.dashboard: requirements-dashboard.lock
	@echo "Installing the dashboard into $(DASHBOARD) (once, about a minute) ..."
	$(INSTALL_APART)

$(SPARK)/.spark: requirements-spark.lock
	@echo "Installing Spark and Iceberg into $(SPARK) (once, about two minutes) ..."
	$(INSTALL_APART)

# The real dbt_utils where the package hub answers; else our substitute for the macros that we call.
$(PACKAGES): packages.yml $(DBT_UTILS) | $(VENV)/.run
	@$(PY) -m local packages
	@touch $@
endif

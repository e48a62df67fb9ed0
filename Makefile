# make demo | test | chaos | model | schemathesis | bench-api, bench-engine, bench-scale, bench-idle, bench-ssh | clean.
# Each does its own set-up, as root or not. PYTHON names another Python.
PYTHON ?= python3
HOSTS ?= 8
KILLS ?= 200
# Of the tests that run several at once: one more than two processors, for many of them wait.
WORKERS ?= 3
# What these start are whole stacks with limits to keep: one after the other, for the workers of `muster up` step back
# (nice) behind whatever else keeps the processors busy.
STACKS := tests/browser tests/chaos tests/client tests/integration tests/unit/test_cli_demo.py tests/unit/test_cli_stack.py
VENV := .venv
READY := $(VENV)/.ready

.PHONY: demo test chaos model schemathesis bench-api bench-engine bench-scale bench-idle bench-ssh clean

demo: $(READY)
	@sh deploy/install-packages.sh ps flock awk timeout
	@$(VENV)/bin/muster demo --hosts $(HOSTS)

test: $(READY)
	@sh deploy/install-packages.sh ps flock awk timeout sshd ip nsenter chromium
	@sh deploy/install-packages.sh promtool || echo "without promtool the rules for Prometheus are checked for less"
	@status=0; \
	$(VENV)/bin/python -m pytest $(STACKS:%=--ignore %) -n $(WORKERS) --dist worksteal || status=$$?; \
	$(VENV)/bin/python -m pytest $(STACKS) || status=$$?; \
	exit $$status

# SEED repeats the faults of a run, LEASE shortens the leases (s).
chaos: $(READY)
	@sh deploy/install-packages.sh ps flock awk timeout
	@$(VENV)/bin/python -m tests.chaos --kills $(KILLS) --hosts $(HOSTS) $(if $(SEED),--seed $(SEED)) $(if $(LEASE),--lease $(LEASE))

# Some ten thousand random steps of the engine against its model in plain Python; `make test` does some hundreds.
model: $(READY)
	HYPOTHESIS_PROFILE=nightly $(VENV)/bin/python -m pytest --timeout 0 tests/unit/test_engine_model.py

# Benchmarks print what happens to stderr and one line of JSON with all figures to stdout; docs/performance.md explains them.
# Latencies of the API, idle and while a large task runs; HOSTS is the size of that task (10000).
bench-api: $(READY)
	@$(VENV)/bin/python -m bench.api $(if $(filter-out 8,$(HOSTS)),--hosts $(HOSTS))
# Schemathesis over the OpenAPI document; `make test` does a tenth of it. SEED repeats a run.
schemathesis: $(READY)
	@$(VENV)/bin/python -m tests.fuzz $(if $(CASES),--cases $(CASES)) $(if $(SEED),--seed $(SEED))

bench-engine: HOSTS = 1000
bench-engine: $(VENV)/.bench
	@$(VENV)/bin/python -m bench.engine --hosts $(HOSTS) $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(PEERS),--peers $(PEERS))

bench-scale: $(READY)
	@$(VENV)/bin/python -m bench.engine.scale $(if $(SIZES),--sizes $(SIZES)) $(if $(ROUNDS),--rounds $(ROUNDS))

bench-idle: $(READY)
	@$(VENV)/bin/python -m bench.engine.idle $(if $(SECONDS),--seconds $(SECONDS)) $(if $(NODES),--nodes $(NODES))

# The same restart over real SSH by Muster, Fabric, parallel-ssh, pyinfra and Ansible. ROUNDS, SETTLE (s), PEERS.
bench-ssh: HOSTS = 50
bench-ssh: $(VENV)/.bench $(VENV)/pyinfra/.ready
	@sh deploy/install-packages.sh ps flock awk timeout sshd >&2
	@$(VENV)/bin/python -m bench.ssh --hosts $(HOSTS) $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(SETTLE),--settle $(SETTLE)) $(if $(PEERS),--peers $(PEERS))

# Data of `muster up` (.muster) stays: it holds tasks, hosts and passwords.
clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Muster needs Python 3.11 or newer, and $(PYTHON) is none. Name one: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			echo "Python's venv module is missing: installing python3-venv"; apt-get update -q && apt-get install -qy python3-venv; \
		else echo "Python's venv module is missing. Install it: sudo apt-get install python3-venv" >&2; exit 1; fi; }
	@test -x $(VENV)/bin/pip || { echo "Making $(VENV)"; $(PYTHON) -m venv --clear $(VENV); }
	@echo "Installing into $(VENV)"
	@$(VENV)/bin/pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev,otel]'
	@touch $@

$(VENV)/.bench: $(READY)
	@echo "Installing the peers that are measured beside Muster" >&2
	@$(VENV)/bin/pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev,otel,bench]' >&2
	@touch $@

# pyinfra wants an older paramiko than Fabric's, hence a venv of its own.
$(VENV)/pyinfra/.ready: $(READY) bench/ssh/pyinfra.txt
	@$(PYTHON) -m venv --clear $(VENV)/pyinfra
	@$(VENV)/pyinfra/bin/pip install -q --disable-pip-version-check -r bench/ssh/pyinfra.txt >&2
	@touch $@

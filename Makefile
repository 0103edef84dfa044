# `make lab` and `make test` do all their own set-up. Every path here is relative, because make
# splits names at spaces and a checkout may lie in a folder that has one.

.DEFAULT_GOAL := help
.PHONY: help lab test soak lint setup lock shipped screenshots FORCE
unexport PYTHONPATH PYTHONHOME

python := .venv/bin/python
pip := $(python) -m pip --disable-pip-version-check --no-input
extension := engines/matching/extension.py
cpp := $(shell find engines/matching/native -name '*.[ch]pp' -o -name '*.h' -o -name CMakeLists.txt)
kernels := $(shell find engines lab/books lab/hardware lab/measure lab/workloads lab/warm.py -name '*.py' 2>/dev/null)

# The stamp .venv/.installed holds the checkout's path. It goes first and comes back last, so what
# an interrupted run leaves never looks finished. Without it, or when the checkout was moved, or its
# Python is gone or not the one asked for (PYTHON=…), .venv is made anew.
version := -c "import sys; print(sys.version)"
sound := $(shell \
	[ "$$(cat .venv/.installed 2>/dev/null)" = "$$(pwd -P)" ] && \
	here="$$($(python) $(version) 2>/dev/null)" && \
	{ [ -z "$(PYTHON)" ] || [ "$$("$(PYTHON)" $(version) 2>/dev/null)" = "$$here" ]; } && echo yes)
ifneq ($(sound),yes)
.venv/.installed: FORCE
endif

# The stamp .venv/.built holds what there was to build the engines in C++ with, or that they were
# built. Where that has changed (a compiler has come, the extension has gone) they are built anew.
# A CXX=… given to make is not in the environment of its own shell calls.
given_cxx := $(if $(filter command,$(origin CXX)),CXX='$(CXX)')
ifneq ($(shell $(given_cxx) $(python) -I $(extension) 2>/dev/null),$(shell cat .venv/.built 2>/dev/null))
.venv/.built: FORCE
endif

help:
	@echo "make lab     set up, then open JupyterLab on the start notebook"
	@echo "make test    set up, then run the tests (ARGS='-k ladder' for some of them)"
	@echo "make setup   make .venv from requirements.lock, build the C++, compile the kernels"
	@echo "make soak    set up, then run the tests that take long"
	@echo "make lint    set up, then ruff and mypy"
	@echo "make lock    make requirements.lock anew from pyproject.toml"
	@echo "make shipped measure what is shipped, on a machine that does nothing else"
	@echo "make screenshots the README's pictures of a panel and the gallery, made with Chromium"
	@echo "PYTHON=…     the Python to set up with (default: the newest of 3.13, 3.12, 3.11)"

lab: setup
	@$(python) -m lab open

# Two workers, or one on one core: more would disturb what is measured (tests/conftest.py). ARGS=-n0
# does without.
test: setup
	@$(python) -m pytest -n auto --maxprocesses=2 $(ARGS)

soak: setup
	@$(python) -m pytest -m soak $(ARGS)

shipped: setup
	@$(python) -m lab.shipped

# The README's screenshots, with Debian's Chromium, on a machine that does nothing else.
screenshots: setup
	@EXCHANGE_LAB_SCREENSHOTS=yes $(python) -m pytest -n0 -m browser tests/browser/test_screenshots.py

lint: setup
	@$(python) -m ruff check
	@$(python) -m ruff format --check
	@$(python) -m mypy engines lab

setup: .venv/.compiled

.venv/.compiled: .venv/.built $(kernels)
	@rm -f $@
	@echo "[4/4] compiling the kernels into the cache (one to three minutes the first time)"
	@$(python) -m lab.warm
	@touch $@

.venv/.installed: requirements.lock pyproject.toml
	@rm -f $@
	@set -eu; if [ "$(sound)" != yes ]; then \
		$(choose_python); \
		echo "[1/4] making .venv with $$chosen ($$("$$chosen" $(version) | cut -d' ' -f1))"; \
		"$$chosen" -m venv --clear .venv; \
		rm -rf .cache/native; \
	fi
	@echo "[2/4] installing the locked packages (a minute or two)"
	@{ $(pip) install --require-hashes --only-binary :all: --progress-bar off \
		-r requirements.lock || echo failed; } | { $(count_packages); }
	@pwd -P > $@

# Without a compiler this succeeds too, and the script says in a line what was left out and why.
# CMake's files are kept apart by compiler, since it would go on with the one of the first time.
.venv/.built: .venv/.installed $(cpp)
	@rm -f $@
	@echo "[3/4] installing exchange-lab itself, its engines in C++ built (half a minute)"
	@$(pip) install --quiet --no-build-isolation --no-deps --no-index --editable . \
		--config-settings=build-dir=".cache/native/{wheel_tag}-$$(echo "$$CXX" | cksum | cut -d' ' -f1)"
	@$(python) -I $(extension) > $@

# Leaves the name of a Python that can make an environment in $chosen.
define choose_python
	set -- python3.13 python3.12 python3.11 python3; \
	if [ -n "$(PYTHON)" ]; then set -- "$(PYTHON)"; fi; \
	chosen=; bare=; \
	for name do \
		"$$name" -c "import sys; sys.exit(sys.version_info < (3, 11))" 2>/dev/null || continue; \
		if "$$name" -c "import venv, ensurepip" 2>/dev/null; then chosen=$$name; break; fi; \
		bare=$${bare:-$$name}; \
	done; \
	if [ -z "$$chosen" ] && [ -n "$$bare" ]; then \
		package=$$("$$bare" -c "import sys; print('python%d.%d-venv' % sys.version_info[:2])"); \
		echo "$$bare cannot make an environment: its ensurepip is missing;" \
			"on Debian and Ubuntu: apt install $$package" >&2; \
		exit 1; \
	elif [ -z "$$chosen" ]; then \
		echo "no Python 3.11 or newer among: $$*; install one (Debian, Ubuntu:" \
			"apt install python3 python3-venv) or name it: make setup PYTHON=…" >&2; \
		exit 1; \
	fi
endef

# Turns pip's talk into a count. pip says first which packages this Python does not need.
define count_packages
	total=$$(grep -c '^[A-Za-z].*==' requirements.lock); count=0; \
	while IFS= read -r line; do case "$$line" in \
		"Ignoring "*) total=$$((total - 1));; \
		"Collecting "*|"Processing "*|"Requirement already "*) \
			count=$$((count + 1)); \
			if [ -t 1 ]; then printf '\r      %d of %d' $$count $$total; \
			elif [ $$((count % 25)) -eq 0 ]; then echo "      $$count of $$total"; fi;; \
		"Installing "*) \
			if [ -t 1 ]; then printf '\r'; fi; echo "      unpacking $$total packages";; \
		failed) exit 1;; \
	esac; done; \
	if [ -t 1 ]; then printf '\r'; fi
endef

lock:
	@$(python) -m uv --version >/dev/null 2>&1 || $(pip) install --quiet uv
	@$(python) -m uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 \
		--generate-hashes --no-header --upgrade --quiet --output-file requirements.lock
	@echo "requirements.lock is new; make test installs it and shows whether it holds"

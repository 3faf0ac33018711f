# make demo   install into .venv and segment a bundled study
# make test   install into .venv, then every check and test that runs here in minutes
# make slow   more of the same, in tens of seconds a test
# make matrix the quick tests with the lowest and the newest versions allowed, bare and with all extras, on each Python found: an hour
# make coverage   which lines the tests run, room by room, into evaluation/results/coverage.md
# make faults damage inputs of every format for SECONDS_EACH, going on where it stopped; findings lie in FINDINGS
# make small-model  train the embedded model again, into small-model/, and write its tables there: hours; DATA is a folder of real images
# Nothing but Python 3.11 or later with pip and venv, and make, is needed.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# MKL and OpenMP threads of each of the test workers; the machine's cores are shared among them
export OMP_NUM_THREADS ?= 1
# without a cache, the types take as long as an eighth of the tests
export MYPY_NUM_WORKERS ?= 2

.PHONY: demo test check unit slow wheel build-wheel matrix coverage faults small-model clean

$(VENV)/.core: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "medkt needs Python 3.11 or later")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt uv
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python -c constraints.txt -e '.[dicom-objects]'
	touch $@

$(VENV)/.dev: $(VENV)/.core
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python -c constraints.txt -e '.[all,dev]'
	$(BIN)/python -m compileall -q medkt
	touch $@

demo: $(VENV)/.core
	$(BIN)/medkt demo -o demo-output

test: check unit wheel

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell

# Shapes and types are looked at as they pass where a room is tested by itself; whole commands run as users run them. By hand, `pytest` looks everywhere
ROOMS := $(addprefix tests/,asking inversion metrics models presence saliency segmentation spatial statistics transfer)
AS_USERS := --jaxtyping-packages=
unit: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2 -q $(ROOMS)
	$(BIN)/python -m pytest -n 2 -q $(AS_USERS) $(addprefix --ignore=,$(ROOMS))

slow: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2 -q -m slow

# The wheel in an environment of its own, its tests run from a folder outside the checkout: data files must be found there too
wheel: build-wheel
	$(BIN)/python tests/installed/run.py build/wheel

build-wheel: $(VENV)/.dev
	rm -rf build/wheel && mkdir -p build/wheel
	$(BIN)/python -m build --quiet --wheel --installer uv --outdir build/wheel .

# By hand, for it downloads gigabytes. MATRIX may say less: MATRIX='--python 3.12 --only lowest-bare'
matrix: build-wheel
	$(BIN)/python tests/matrix/run.py --wheels build/wheel --out build/matrix $(MATRIX)

coverage: $(VENV)/.dev
	rm -rf build/coverage && mkdir -p build/coverage
	status=0; \
	$(BIN)/python -m coverage run -m pytest -n 2 -q $(AS_USERS) || status=1; \
	$(BIN)/python -m coverage combine --quiet && $(BIN)/python -m coverage json --quiet -o build/coverage/measured.json && \
	$(BIN)/python evaluation/coverage_table.py build/coverage/measured.json --write || status=1; \
	exit $$status

SECONDS_EACH ?= 30
SEED ?= 0
FINDINGS ?= build/faults
# Each attack of the bench for so long, then failing calls and whatever else is marked `faults`; both halves are always run
faults: $(VENV)/.dev
	status=0; \
	PYTHONPATH=tests $(BIN)/python -m faults.bench run --seconds-each $(SECONDS_EACH) --seed $(SEED) --findings $(FINDINGS) || status=1; \
	SECONDS_EACH=$(SECONDS_EACH) $(BIN)/python -m pytest -q -s -m faults tests/faults || status=1; \
	exit $$status

small-model: $(VENV)/.core
	$(BIN)/python evaluation/small_model train --out small-model $(if $(DATA),--data $(DATA))
	$(BIN)/python evaluation/small_model evaluate --weights small-model --out small-model $(if $(DATA),--data $(DATA))

clean:
	rm -rf build dist demo-output .pytest_cache .mypy_cache .ruff_cache .hypothesis

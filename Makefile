# All set-up happens in a virtual environment of its own. PYTHON picks the interpreter.
PYTHON ?= python3
VENV ?= .venv
ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
endif
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
cores = $(shell $(PYTHON) -c "import os; print($(1) * (os.cpu_count() or 1))")
PYTEST := $(BIN)/python -m pytest
# Most tests wait for something: several on each core. Those with a kernel are busier.
WORKERS ?= $(call cores,4)
KERNEL_WORKERS ?= $(call cores,2)
SIDE_BY_SIDE := --dist worksteal --numprocesses
# A browser and a JupyterLab are busy most of the time, and are started once by each worker; a
# notebook's cells follow each other.
FILE_BY_FILE := --numprocesses $(call cores,1) --dist loadfile
# What keeps one core busy at the most runs beside others, its output one after the other.
AT_ONCE := --jobs --no-print-directory $(if $(filter output-sync,$(.FEATURES)),--output-sync)
STORIES ?= quickstart reruns errors diagnostics resume testing

.PHONY: demo test lint types unit browser notebooks kernel rates
.PHONY: soak pictures docs prereleases stories benchmark clean

# make demo              JupyterLab on the quickstart notebook, beside a simulated gateway
# make demo HEADLESS=1   the same notebook without a browser, executed and written as HTML
demo: $(VENV)/.demo
	$(BIN)/ibnb demo $(if $(HEADLESS),--headless)

# make test              lint, types and every test but soaks; each of them has a target of its own
test: $(VENV)/.test
	$(MAKE) $(AT_ONCE) lint types notebooks
	$(MAKE) --no-print-directory unit
	$(MAKE) --no-print-directory kernel
	$(MAKE) --no-print-directory browser
	$(MAKE) --no-print-directory rates

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.test
	$(BIN)/mypy

unit: $(VENV)/.test
	$(PYTEST) $(SIDE_BY_SIDE) $(WORKERS) tests/unit -m "not soak" --cov ibnb --cov-report=

browser: $(VENV)/.test
	$(PYTEST) $(FILE_BY_FILE) tests/browser

notebooks: $(VENV)/.test
	$(PYTEST) $(FILE_BY_FILE) -p nbval --nbval-lax notebooks

kernel: $(VENV)/.test
	$(PYTEST) $(SIDE_BY_SIDE) $(KERNEL_WORKERS) tests/kernel -m "not serial and not soak"

# make rates             what is measured while nothing else runs
rates: $(VENV)/.test
	$(PYTEST) tests/kernel -m serial

# make soak              what takes long: many reruns, losses, looks, and a day of the simulated world
soak: $(VENV)/.test
	IBNB_SOAK=1000 IBNB_CHAOS=100 $(PYTEST) tests/unit tests/kernel -m soak
	IBNB_SOAK=1000 IBNB_CHAOS=100 $(PYTEST) tests/kernel/test_soak.py \
	    tests/kernel/test_resume_is_whole.py

# make docs              the documentation site, in site/; a warning or a broken link fails it
docs: $(VENV)/.docs
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet --jobs auto \
		--doctree-dir build/doctrees docs site
	@echo "The site begins at site/index.html."

# make pictures          how every view looks, compared with the stored pictures
# make pictures UPDATE=1 the stored pictures, drawn anew
pictures: $(VENV)/.test
	IBNB_PICTURES=$(if $(UPDATE),renew,compare) $(PYTEST) tests/browser/test_pictures.py

# make prereleases       what sees a library or a kernel, with the newest pre-releases of those
prereleases:
	$(PYTHON) -m venv $(VENV)-prereleases
	$(VENV)-prereleases/bin/python -m pip install --quiet --editable ".[testing,ib-async]"
	$(VENV)-prereleases/bin/python -m pip install --quiet --upgrade --pre ib_async ipython ipykernel
	$(VENV)-prereleases/bin/python -m pytest $(SIDE_BY_SIDE) $(WORKERS) tests/unit -m library
	$(VENV)-prereleases/bin/python -m pytest $(SIDE_BY_SIDE) $(KERNEL_WORKERS) tests/kernel -m "not serial"

# make stories           the notebooks that tell a story, executed and stored as they are then
stories: $(VENV)/.test
	IBNB_STATE_DIR=$$(mktemp -d) $(BIN)/python -m nbconvert --execute --inplace --log-level WARN \
	    --ExecutePreprocessor.store_widget_state=False --ExecutePreprocessor.record_timing=False \
	    $(STORIES:%=notebooks/%.ipynb)

benchmark: $(VENV)/.test
	$(PIP) install --editable ".[benchmark]"
	$(BIN)/python benchmarks/run.py

$(VENV)/.demo: pyproject.toml
	@echo "Installing ibnb and JupyterLab into $(VENV): once, a minute or two."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip --disable-pip-version-check install --progress-bar on --editable ".[demo]"
	touch $@

$(VENV)/.test: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --editable ".[test]"
	touch $@

$(VENV)/.docs: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --editable ".[docs]"
	touch $@

clean:
	rm -rf $(VENV) demo-output site build/doctrees docs/reference

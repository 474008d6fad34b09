# All set-up happens in a virtual environment of its own. PYTHON picks the interpreter.
PYTHON ?= python3
VENV ?= .venv
ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
endif
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# Most tests wait for something: two on each core.
WORKERS ?= $(shell $(PYTHON) -c "import os; print(2 * (os.cpu_count() or 1))")
STORIES ?= quickstart reruns errors diagnostics resume testing
SIDE_BY_SIDE := --numprocesses $(WORKERS) --dist worksteal
# Unit tests wait for sockets, and start no kernels: three on each core.
UNIT_WORKERS ?= $(shell $(PYTHON) -c "import os; print(3 * (os.cpu_count() or 1))")
# A browser and a JupyterLab are busy most of the time, and are started once by each worker.
WINDOWS ?= $(shell $(PYTHON) -c "import os; print(min($(WORKERS), os.cpu_count() or 1))")

.PHONY: demo test soak pictures docs prereleases stories benchmark clean

# make demo              JupyterLab on the quickstart notebook, beside a simulated gateway
# make demo HEADLESS=1   the same notebook without a browser, executed and written as HTML
demo: $(VENV)/.demo
	$(BIN)/ibnb demo $(if $(HEADLESS),--headless)

# make test              lint, types and every test but soaks
test: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest --numprocesses $(UNIT_WORKERS) --dist worksteal \
		tests/unit -m "not soak" --cov ibnb --cov-report=
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) tests/kernel -m "not serial and not soak"
	$(BIN)/python -m pytest tests/kernel -m serial
	$(BIN)/python -m pytest --numprocesses $(WINDOWS) --dist loadfile tests/browser
	$(BIN)/python -m pytest --numprocesses $(WINDOWS) --dist loadfile -p nbval --nbval-lax notebooks

# make soak              what takes long: many reruns, losses, looks, and a day of the simulated world
soak: $(VENV)/.test
	IBNB_SOAK=1000 IBNB_CHAOS=100 $(BIN)/python -m pytest tests/unit tests/kernel -m soak
	IBNB_SOAK=1000 IBNB_CHAOS=100 $(BIN)/python -m pytest tests/kernel/test_soak.py \
	    tests/kernel/test_resume_is_whole.py

# make docs              the documentation site, in site/; a warning or a broken link fails it
docs: $(VENV)/.docs
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet --jobs auto \
		--doctree-dir build/doctrees docs site
	@echo "The site begins at site/index.html."

# make pictures          how every view looks, compared with the stored pictures
# make pictures UPDATE=1 the stored pictures, drawn anew
pictures: $(VENV)/.test
	IBNB_PICTURES=$(if $(UPDATE),renew,compare) $(BIN)/python -m pytest tests/browser/test_pictures.py

# make prereleases       what sees a library or a kernel, with the newest pre-releases of those
prereleases:
	$(PYTHON) -m venv $(VENV)-prereleases
	$(VENV)-prereleases/bin/python -m pip install --quiet --editable ".[testing,ib-async]"
	$(VENV)-prereleases/bin/python -m pip install --quiet --upgrade --pre ib_async ipython ipykernel
	$(VENV)-prereleases/bin/python -m pytest $(SIDE_BY_SIDE) tests/unit -m library
	$(VENV)-prereleases/bin/python -m pytest $(SIDE_BY_SIDE) tests/kernel -m "not serial"

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

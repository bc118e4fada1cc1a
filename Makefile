# Needs make and Python 3.11, 3.12 or 3.13; uses uv when it is there. Every target sets itself up.
PROFILE ?= quick
ARGS ?=
PORT ?= 8000
BIND ?= 127.0.0.1
LUNGCLS_CACHE ?= $(CURDIR)/.cache
export LUNGCLS_CACHE

# What `make env` installs; every other extra of pyproject.toml gets a lock of its own, requirements-EXTRA.lock.
EXTRAS := book lidc test
APART := cluster onnx radiomics

BIN := .venv/bin
STAMP := .venv/.made
SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))

.PHONY: book html pdf test lint coverage env notebooks lock serve

book: $(STAMP)  ## Execute the notebooks and render the book: PROFILE=smoke|quick|full, ARGS="--only 01"
	$(BIN)/lungcls book --profile $(PROFILE) $(ARGS)

html: $(STAMP)  ## Render what has been executed
	$(BIN)/lungcls book --profile $(PROFILE) --html-only $(ARGS)

pdf: $(STAMP)  ## Render what has been executed, and print it as one PDF (needs Chromium)
	$(BIN)/lungcls book --profile $(PROFILE) --html-only --pdf $(ARGS)

test: $(STAMP)  ## Run all tests, and the examples of docstrings, on every core
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile $(ARGS)

lint: $(STAMP)  ## Check style and format (ARGS=--fix mends what can be mended)
	$(BIN)/ruff check $(ARGS) . && $(BIN)/ruff format --check .

coverage: $(STAMP)  ## Run all tests and say which lines and branches none of them reaches
	$(BIN)/python -m pytest --cov=lungcls $(ARGS)

env: $(STAMP)  ## Make .venv with the locked versions

notebooks: $(STAMP)  ## Make every notebook from its percent script, and the API pages from the rooms' faces
	$(BIN)/python -m lungcls.report.build.pairs notebooks
	$(BIN)/python -m lungcls.report.build.reference book/api

lock: $(STAMP)  ## Resolve the locks again (ARGS=--upgrade for the newest versions)
	@command -v uv >/dev/null || test -x .cache/uv/bin/uv || \
	  { $(BIN)/python -m venv .cache/uv && .cache/uv/bin/python -m pip install --quiet uv; }
	$(COMPILE) $(EXTRAS:%=--extra %) --output-file requirements.lock
	for extra in $(APART); do \
	  $(COMPILE) --extra $$extra --constraint requirements.lock --output-file requirements-$$extra.lock || exit 1; \
	done

COMPILE = PATH="$$PATH:$(CURDIR)/.cache/uv/bin" uv pip compile pyproject.toml --universal --fork-strategy fewest \
  --python-version 3.11 --no-emit-index-url --no-header --no-annotate --quiet $(ARGS)

serve: $(STAMP)  ## Show the book at http://localhost:8000
	@test -f _build/html/index.html || $(MAKE) book
	$(BIN)/python -m http.server --bind $(BIND) --directory _build/html $(PORT)

$(STAMP): requirements.lock pyproject.toml
	@python=; for p in $(PYTHON) python3.13 python3.12 python3.11 python3 python; do \
	  if $$p -c '$(SUPPORTED)' >/dev/null 2>&1; then python=$$p; break; fi; done; \
	if [ -z "$$python" ]; then \
	  echo 'make: no Python 3.11, 3.12 or 3.13 found: install one, or name it: make PYTHON=/path/to/python3.12 ...' >&2; \
	  exit 1; fi; \
	echo "making .venv with $$($$python --version)"; \
	rm -rf .venv; \
	if command -v uv >/dev/null 2>&1; then \
	  uv venv --quiet --python "$$($$python -c 'import sys; print(sys.executable)')" .venv && \
	  uv pip install --quiet --python $(BIN)/python -r requirements.lock && \
	  uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .; \
	else \
	  $$python -m venv .venv && \
	  $(BIN)/python -m pip install --quiet -r requirements.lock && \
	  $(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .; \
	fi
	@touch $@

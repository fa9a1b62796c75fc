# Every goal makes .venv and installs what it lacks. Two to start with: `make demo`, `make test`.
PYTHON ?= python3
BIN := .venv/bin
BASE := .venv/.base
INSTALLED := .venv/.installed
JOBS ?= $(shell nproc)

.PHONY: demo test test-all check docs wheel-check structure screenshots serve encoder reranker benchmark constraints clean

# With the base alone, unless everything is installed.
demo: $(BASE)
	$(BIN)/vitrina demo

# Kept bytecode saves each of the many processes that tests start half a second, whatever the surroundings say. Tests
# wait for those processes: one worker more than there are cores keeps the cores busy.
test: $(INSTALLED)
	PYTHONDONTWRITEBYTECODE= $(BIN)/pytest -n $$(($(JOBS) + 1))

# Those that are opt-in, too: notebooks, the commands that the README and the quickstart show, the documentation's site,
# the wheel, and long trainings.
test-all: $(INSTALLED)
	PYTHONDONTWRITEBYTECODE= $(BIN)/pytest -n $$(($(JOBS) + 1)) -m 'not marathon'

# The folders under the name they are installed by, for tools that read files and do not import: mypy, import-linter, editors.
.links: $(INSTALLED)
	mkdir -p .links/vitrina
	for folder in search indexer api evaluation tuning; do ln -sfn ../../$$folder .links/vitrina/$$folder; done
	for file in __init__.py py.typed client; do ln -sfn ../../vitrina/$$file .links/vitrina/$$file; done
	for folder in recipes benchmarks; do ln -sfn ../$$folder .links/$$folder; done

# Format, lint, strict types, import rules, words. The tests are `make test`.
check: $(INSTALLED) .links
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/python -m benchmarks.glossary
	MYPY_NUM_WORKERS=$(JOBS) $(BIN)/mypy
	cd .links && ../$(BIN)/lint-imports --config ../pyproject.toml

# The documentation site, in site/. Fails on a dead link.
docs: $(INSTALLED)
	$(BIN)/mkdocs build --strict --quiet

# Serves the demo's boutique if `make demo` was run, else the default store.
serve: $(BASE)
	$(BIN)/vitrina serve $(if $(wildcard demo/store),--store demo/store)

# Makes the encoder that ships in search/encoders/embedded, and fits ranking and confidences to it. DATA holds the
# Parquet files that recipes/README.md names.
encoder: $(INSTALLED)
	$(BIN)/python -m recipes.encoder --data $(DATA) --out search/encoders/embedded
	$(BIN)/python -m recipes.retrieval --data $(DATA)
	$(BIN)/python -m recipes.calibration --data $(DATA)

# Makes the vision-language model that ships in search/reranking/embedded. DATA as above.
reranker: $(INSTALLED)
	$(BIN)/python -m recipes.reranker --data $(DATA) --out search/reranking/embedded
	$(BIN)/vitrina reranker export embedded
	$(BIN)/python -m recipes.matcher --data $(DATA)
	$(BIN)/python -m recipes.reranker.fusion --data $(DATA)

# Measures the figures in benchmarks/results.md. DATA as above.
benchmark: $(INSTALLED)
	$(BIN)/python -m benchmarks --data $(DATA)

# Figures of the tree, and the picture of its packages, in docs/.
structure: $(INSTALLED) .links
	$(BIN)/python -m benchmarks.structure

# The pictures of the page in docs/, over the demo's boutique. Needs Chromium.
screenshots: $(INSTALLED)
	test -d demo/store || $(BIN)/vitrina demo
	$(BIN)/python -m recipes.screenshots --store demo/store --out docs

# Builds the wheel, installs it in an empty virtual environment, and runs the README's Python example there.
wheel-check: $(INSTALLED)
	.ci/wheel-check

constraints: $(INSTALLED)
	$(BIN)/pip freeze --exclude-editable | grep -viE '^(nvidia|cuda)' \
		| sed '1i # The versions that the tests pass with; renew with: make constraints' > constraints.txt

$(BASE): pyproject.toml setup.py constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	touch $@

# Not compiled, which took a minute of two and a half: a fifth of the 28,000 modules are ever imported, and Python compiles
# those as it first does.
$(INSTALLED): pyproject.toml setup.py constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --no-compile --constraint constraints.txt --editable '.[dev]'
	touch $(BASE) $@

clean:
	rm -rf .venv .links demo runs build site *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Every goal makes .venv and installs what it lacks. Two to start with: `make demo`, `make test`.
PYTHON ?= python3
ENGINE ?= cpu
BIN := .venv/bin
INSTALLED := .venv/.installed-$(ENGINE)

.PHONY: demo test check serve encoder reranker benchmark constraints clean

demo: $(INSTALLED)
	$(BIN)/vitrina demo

test: $(INSTALLED)
	$(BIN)/pytest

check: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest

# Serves the demo's boutique where there is one, else the default home.
serve: $(INSTALLED)
	$(BIN)/vitrina serve $(if $(wildcard demo/home),--home demo/home)

# Makes the encoder that ships in search/encoders/embedded. DATA holds the Parquet files that training/README.md names.
encoder: $(INSTALLED)
	$(BIN)/python -m training.encoder --data $(DATA) --out search/encoders/embedded
	$(BIN)/vitrina encoder export embedded

# Makes the vision-language model that ships in search/reranking/embedded. DATA as above.
reranker: $(INSTALLED)
	$(BIN)/python -m training.reranker --data $(DATA) --out search/reranking/embedded
	$(BIN)/python -m training.reranker.blending --data $(DATA)

# Measures the figures in benchmarks/README.md. DATA as above.
benchmark: $(INSTALLED)
	$(BIN)/python -m benchmarks --data $(DATA)

constraints: $(INSTALLED)
	$(BIN)/pip freeze --exclude-editable | grep -viE '^(nvidia|cuda|triton)' > constraints.txt

$(INSTALLED): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[$(ENGINE),dev]'
	touch $@

clean:
	rm -rf .venv demo runs build *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

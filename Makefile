# The two commands of the README: `make run` calibrates the galaxy-formation model, `make test` proves it works.
PYTHON ?= python3
VENV   ?= .venv
BIN     = $(VENV)/bin
PLUGINS = gp galaxies samplers regression trees manifold nets example
EXTRAS  = "plugins/samplers[dynesty,pocomc]" "plugins/trees[lightgbm]" "plugins/manifold[tsne,umap]" "plugins/nets[flow]"
EDITABLE = -e ".[test]" $(foreach p,$(PLUGINS),-e plugins/$(p)) $(foreach e,$(EXTRAS),-e $(e))
STUDY  ?= examples/galaxy_formation/study.toml
JOBS   ?= 2
# One BLAS thread each: the work is parallel over runs, and idle BLAS threads spin.
THREADS = OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1
RUN     = $(THREADS) $(BIN)

.PHONY: setup run test test-slow lint bench bench-peers bench-gp docs clean

setup: $(VENV)/.ready

# pip resolves the local distributions together, so that nothing of ours is asked of an index.
$(VENV)/.ready: pyproject.toml constraints.txt $(foreach p,$(PLUGINS),plugins/$(p)/pyproject.toml)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt $(EDITABLE)
	touch $@

run: setup
	$(RUN)/equatorium run $(STUDY)

test: lint
	$(RUN)/python -m pytest -m "not slow" -n $(JOBS) --dist worksteal

test-slow: setup
	$(RUN)/python -m pytest -m slow

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: setup
	$(RUN)/python -m benchmarks

# The Gaussian processes beside their peers; each peer has its own environment (3 GB in all).
bench-peers: setup
	$(BIN)/python -m benchmarks.gp --setup .peers

bench-gp: setup
	$(RUN)/python -m benchmarks.gp
	$(RUN)/python -m benchmarks.gp_steps
	$(RUN)/python -m benchmarks.many_points

docs: setup
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[docs]"
	$(BIN)/sphinx-build -W -b html docs docs/_build/html

clean:
	rm -rf $(VENV) docs/_build .pytest_cache .mypy_cache .ruff_cache

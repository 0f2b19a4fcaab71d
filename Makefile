# `make repro` and `make test` are the two commands; each makes the environment first, once.
PYTHON ?=
VENV ?= .venv
CORES ?= 2
PORT ?= 5000
SCALE ?= mini
MINUTES ?= 15
DOOR ?= 60M
TO ?= ../gpu

BIN := $(abspath $(VENV))/bin
# Stages are `python -m stages...`, whichever engine runs them: the environment's python has to be the first one found.
export PATH := $(BIN):$(PATH)
# Written last and named after the lock's content: an interrupted installation has no such file, nor has an outdated one.
INSTALLED := $(VENV)/installed-$(firstword $(shell cksum < requirements.lock))

.PHONY: help repro test lint audit snakemake push pull mlflow graph scale known-scale gpu-job environment lock always

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

repro: $(INSTALLED)  ## run what is out of date, at the scale in force: every table and figure; STAGE=ch3_edges chooses a chapter or stage
	@python -m workflow.repro $(STAGE)

# Not on more: each worker imports PyTorch, grows to 1.2 GB and runs pipelines of its own, and tests that share a finished run go to one of them together.
test: $(INSTALLED)  ## run the tests, on up to four cores; ARGS="-k table" chooses, ARGS="-n 0" is one process
	python -m pytest -n logical --maxprocesses 4 --dist loadgroup $(ARGS)

lint: $(INSTALLED)  ## check style, types, imports, both pipelines and the environment
	ruff check .
	ruff format --check .
	mypy
	lint-imports --no-logo
	snakemake --lint
	python -m workflow.environment
	python -m workflow.summary --check

audit: $(INSTALLED)  ## does every number follow from what is said to have made it? ARGS=--all recomputes all of them
	python -m workflow.audit verify $(ARGS)

snakemake: $(INSTALLED)  ## like repro, on Snakemake, several stages at once (CORES=2)
	@python -m workflow.scale --check
	snakemake --cores $(CORES)
	@python -m workflow.drift

push: $(INSTALLED)  ## bring results and run records to the default remote of DVC
	python -m workflow.share push

pull: $(INSTALLED)  ## fetch them from there
	python -m workflow.share pull

mlflow: $(INSTALLED)  ## show the runs in MLflow on 127.0.0.1 (PORT=5000), or bring MLFLOW_TRACKING_URI's server up to date
	python -m workflow.track --address http://127.0.0.1:$(PORT)
	@case "$$MLFLOW_TRACKING_URI" in http*) ;; *) MLFLOW_DISABLE_TELEMETRY=true \
	  mlflow ui --backend-store-uri "$${MLFLOW_TRACKING_URI:-sqlite:///mlflow.db}" --host 127.0.0.1 --port $(PORT) --workers 1;; esac

graph: $(INSTALLED)  ## draw the pipeline, by chapter and by table
	python -m workflow.draw

scale: known-scale $(INSTALLED)  ## choose the scale: SCALE=mini, figures, real_cpu, real or paper
	python -m workflow.scale $(SCALE)

gpu-job: $(INSTALLED)  ## pack what is worth most for a GPU lent for MINUTES=15, in pieces below DOOR=60M, to TO=../gpu; JOB=cifar100 chooses
	@python -m workflow.gpu_job --minutes $(MINUTES) --door $(DOOR) -o $(TO) $(JOB)

# Before anything is installed for it.
known-scale:
	@test -f "workflow/scales/scale/$(SCALE).yaml" || { \
	  echo "error: there is no scale $(SCALE): it may be $(patsubst workflow/scales/scale/%.yaml,%,$(wildcard workflow/scales/scale/*.yaml))" >&2; exit 1; }

environment: $(INSTALLED)  ## install the pinned packages, if they are not there yet; PYTHON=python3.12 chooses

# A Python that is named is looked at each time: the environment may have another version.
$(INSTALLED): $(if $(PYTHON),always)
	@sh workflow/setup.sh "$(VENV)" "$(PYTHON)"
	@touch $@

lock: $(INSTALLED)  ## after an addition to requirements.in: install it and write requirements.lock
	python -m pip install -r requirements.in
	python -m workflow.environment --write

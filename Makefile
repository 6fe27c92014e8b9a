.POSIX:
.PHONY: help environment up status down rollback test check bench lock

PYTHON = python3
RUN = .venv/bin/python -m

help:
	@echo 'make up         install what is missing, train a model and serve it; done work is kept'
	@echo 'make up FRESH=1 the same, with features and training from the start'
	@echo 'make status     what runs, where, and whether it is healthy'
	@echo 'make rollback   serve the model version that was served before'
	@echo 'make down       stop everything that `make up` started'
	@echo 'make test       run the tests; ARGS="-k name" for some of them'
	@echo 'make check      lint, format and type checks'
	@echo 'make bench      measure'
	@echo 'make lock       pin the requirements again; UPGRADE=1 for newer versions'

environment:
	@$(PYTHON) -m local.bootstrap
up: environment
	@FRESH='$(FRESH)' $(RUN) local up
status:
	@test -x .venv/bin/python || { echo 'Nothing is installed yet: `make up`.'; exit 1; }
	@$(RUN) local status
down:
	@test ! -x .venv/bin/python || $(RUN) local down
rollback: environment
	@$(RUN) local rollback
test: environment
	$(RUN) pytest $(ARGS)
check: environment
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) mypy
bench: environment
	$(RUN) tests.bench $(ARGS)
lock:
	@UPGRADE='$(UPGRADE)' $(PYTHON) -m local.requirements

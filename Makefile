# The lanes are defined in .ci/run: `make check` runs them in the current environment, `.ci/run` in fresh ones.
lanes = lint types imports test test-nojit test-boundscheck examples

.PHONY: check ci format $(lanes)

check: $(lanes)

$(lanes):
	@.ci/run $@

ci:
	@.ci/run

format:
	ruff check --fix .
	ruff format .

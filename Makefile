# The lanes live in .ci/run; `make check` runs them in the environment at hand, `.ci/run` in fresh ones.
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

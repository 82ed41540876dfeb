# The lanes are defined in .ci/run: `make check` runs them in the current environment, `.ci/run` in fresh ones.
lanes = lint types imports docs test test-nojit test-boundscheck examples wheel

.PHONY: check ci format rtl $(lanes)

check: $(lanes)

$(lanes):
	@.ci/run $@

# All of it; `.ci/run rtl` is a part, and `.ci/run rtl-quick` (with every check) lint and one design.
rtl:
	@ZAPSIM_RTL=all .ci/run rtl

ci:
	@.ci/run

format:
	ruff check --fix .
	ruff format .

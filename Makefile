# The lanes are defined in .ci/run: `make check` runs them in the current environment, `.ci/run` in fresh ones.
lanes = lint types imports docs test test-nojit test-boundscheck examples wheel

.PHONY: bench check ci format rtl fuzz fuzz-guided kernels kills mutants pythons audit licences $(lanes)

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

# All benchmarks as one table in processor time, and build/bench.json. All of it takes long, QUICK=1 two minutes;
# ONLY="points masks" a part; PAGE=docs/performance.md replaces the table and the plot there.
bench:
	python -m benchmarks --json build/bench.json $(if $(QUICK),--quick) $(if $(ONLY),--only $(ONLY)) $(if $(PAGE),--page $(PAGE))

# An hour of mutated files, over every reader in turn.
fuzz:
	python -m tests.fuzz --tries 1000000 --seconds 150 --seed $$(date +%s)

# The same, each reader led for 100 s by the branches that it reaches; needs atheris (extra `fuzz`).
fuzz-guided:
	for reader in $$(python -m tests.fuzz --list); do python -m tests.fuzz.guided $$reader --seconds 100 || exit; done

# The machine code that comes with zapsim; wanted whenever the source of a kernel has changed.
kernels:
	python -m tests.machine_code

# Commands that are killed at random moments, then run again.
kills:
	python -m tests.kills --rounds 300

# Small changes of the models, one at a time, and whether a test notices: 400 take an hour or two.
mutants:
	python -m tests.mutants --count 400
	python -m tests.mutants --verify

# Every other Python on this machine: the same bytes as here.
pythons:
	@.ci/run pythons

# Published advisories about the installed versions; needs the network.
audit:
	python -m pip install --quiet pip-audit
	pip-audit --skip-editable

licences:
	python .ci/licences.py > docs/licences.md

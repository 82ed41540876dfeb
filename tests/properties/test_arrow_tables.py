"""Tables are those that Arrow makes itself, without what Arrow loads for it."""

import subprocess
import sys

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zapsim.exploration.arrow_tables import table_of

SCHEMA = pa.schema([("design", pa.int64()), ("cost", pa.float64()), ("name", pa.string())])
CELLS = {
    "design": st.integers(-(2**63), 2**63 - 1),
    "cost": st.floats(allow_nan=False) | st.integers(-(2**53), 2**53),
    "name": st.text(st.characters(exclude_categories=["Cs"])),
}
ROWS = st.lists(
    st.fixed_dictionaries({}, optional={name: st.none() | cell for name, cell in CELLS.items()}), max_size=20
)


@given(ROWS)
def test_tables_are_arrows(rows):
    found = table_of(rows, SCHEMA)
    found.validate(full=True)
    assert found.equals(pa.Table.from_pylist(rows, schema=SCHEMA))


@pytest.mark.parametrize("row", [{"design": 1.5}, {"cost": "1"}, {"name": 3}, {"design": 2**63}])
def test_cells_that_do_not_fit(row):
    with pytest.raises(Exception, match=r"integer|float|str|range"):
        table_of([row], SCHEMA)


def test_pandas_stays_out():
    code = (
        "import sys; from tests.properties.test_arrow_tables import SCHEMA; from zapsim.exploration import store;"
        "before = 'pandas' in sys.modules; table = store.table_of([{'design': 1, 'name': 'a'}], SCHEMA);"
        "table.take(store.column_of([0], table.schema[0].type));"
        "sys.exit(2 if before else 'pandas' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

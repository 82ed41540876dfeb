"use strict";
// Sorting: a button in each heading; the row of totals is in a foot and stays where it is.

function sortTable(table, column, ascending) {
  const body = table.tBodies[0];
  const key = (row) => row.cells[column].dataset.key;
  const number = table.tHead.rows[0].cells[column].classList.contains("number");
  const compare = (a, b) => (number ? Number(a) - Number(b) : a.localeCompare(b, "en", { numeric: true }));
  const rows = Array.from(body.rows);
  rows.sort((first, second) => {
    const a = key(first), b = key(second);
    if (a === undefined || b === undefined) return (a === undefined) - (b === undefined); // unknown: always last
    return ascending ? compare(a, b) : compare(b, a);
  });
  body.append(...rows);
}

function makeSortable(table) {
  Array.from(table.tHead.rows[0].cells).forEach((heading, column) => {
    const button = heading.querySelector("button");
    if (!button) return;
    button.addEventListener("click", () => {
      const before = heading.getAttribute("aria-sort");
      // Numbers start with the largest, names with the first.
      const ascending = before ? before === "descending" : !heading.classList.contains("number");
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", ascending ? "ascending" : "descending");
      sortTable(table, column, ascending);
    });
  });
}

document.querySelectorAll("table.sortable").forEach(makeSortable);

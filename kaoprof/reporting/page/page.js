"use strict";
// Sorts a table by the column whose button is pressed; rows without a value stay last.
const valueOf = (row, column) => {
  const cell = row.cells[column];
  return cell.dataset.v === undefined ? cell.textContent : cell.dataset.v === "" ? null : Number(cell.dataset.v);
};
const sortBy = (header) => {
  const table = header.closest("table");
  const column = header.cellIndex;
  const sign = header.getAttribute("aria-sort") === "ascending" ? -1 : 1;
  const body = table.tBodies[0];
  const keyed = Array.from(body.rows, (row, index) => ({ row, index, value: valueOf(row, column) }));
  keyed.sort((a, b) => {
    if (a.value === null || b.value === null) return (a.value === null) - (b.value === null) || a.index - b.index;
    const numbers = typeof a.value === "number" && typeof b.value === "number";
    const order = numbers ? a.value - b.value : String(a.value).localeCompare(String(b.value), undefined, { numeric: true });
    return sign * order || a.index - b.index;
  });
  body.append(...keyed.map((entry) => entry.row));
  for (const other of table.tHead.rows[0].cells) other.setAttribute("aria-sort", "none");
  header.setAttribute("aria-sort", sign === 1 ? "ascending" : "descending");
};
for (const header of document.querySelectorAll("table.sortable thead th")) {
  if (!header.textContent) continue;
  const button = document.createElement("button");
  button.type = "button";
  button.append(...header.childNodes);
  header.append(button);
  header.setAttribute("aria-sort", "none");
  button.addEventListener("click", () => sortBy(header));
}

"use strict";
// A click on a header sorts its table: ascending, descending, then the original order. Rows stay in their group.
const ORDERS = ["ascending", "descending", "none"];

function valueOf(row, column, isNumber) {
  const text = row.cells[column].textContent.trim();
  if (!isNumber) return text;
  const found = text.replaceAll(",", "").match(/[-+]?\d+(\.\d+)?(e[-+]?\d+)?/);
  return found ? Number(found[0]) : null;
}

function compare(a, b, isNumber) {
  return isNumber ? a - b : a.localeCompare(b, undefined, { numeric: true });
}

function sort(table, header, column) {
  const order = ORDERS[(ORDERS.indexOf(header.getAttribute("aria-sort")) + 1) % ORDERS.length];
  for (const other of table.tHead.rows[0].cells) other.setAttribute("aria-sort", "none");
  header.setAttribute("aria-sort", order);
  const isNumber = header.classList.contains("number");
  for (const body of table.tBodies) {
    const rows = [...body.rows].filter((row) => !row.classList.contains("part"));
    rows.forEach((row, place) => (row.dataset.place ??= place));
    const value = new Map(rows.map((row) => [row, valueOf(row, column, isNumber)]));
    const sign = order === "descending" ? -1 : 1;
    rows.sort((a, b) => {
      const asItWas = a.dataset.place - b.dataset.place;
      if (order === "none") return asItWas;
      const [x, y] = [value.get(a), value.get(b)];
      if (x === null || y === null) return (x === null) - (y === null) || asItWas; // undefined values come last
      return sign * compare(x, y, isNumber) || asItWas;
    });
    body.append(...rows);
  }
}

for (const table of document.querySelectorAll("table")) {
  [...table.tHead.rows[0].cells].forEach((header, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.title = "Sort";
    button.append(...header.childNodes);
    header.append(button);
    button.addEventListener("click", () => sort(table, header, column));
  });
}

"use strict";
// Sorts tables by their headers. All pages have it.

const all = (query, root = document) => [...root.querySelectorAll(query)];

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function makeButton(text, onClick, attributes = {}) {
  const button = make("button", { type: "button", ...attributes }, text);
  button.addEventListener("click", onClick);
  return button;
}

const headersOf = (table) => [...table.tHead.rows[0].cells];
const dataRowsOf = (body) => [...body.rows].filter((row) => !row.classList.contains("part"));

// --- Sorting: ascending, descending, then the original order. Rows stay in their group.

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
  for (const other of headersOf(table)) other.setAttribute("aria-sort", "none");
  header.setAttribute("aria-sort", order);
  const isNumber = header.classList.contains("number");
  for (const body of table.tBodies) {
    const rows = dataRowsOf(body);
    rows.forEach((row, place) => (row.dataset.place ??= place));
    const value = new Map(rows.map((row) => [row, valueOf(row, column, isNumber)]));
    const sign = order === "descending" ? -1 : 1;
    rows.sort((a, b) => {
      const original = a.dataset.place - b.dataset.place;
      if (order === "none") return original;
      const [x, y] = [value.get(a), value.get(b)];
      if (x === null || y === null) return (x === null) - (y === null) || original; // undefined values come last
      return sign * compare(x, y, isNumber) || original;
    });
    body.append(...rows);
  }
}

for (const table of all("table")) {
  headersOf(table).forEach((header, column) => {
    const button = makeButton("", () => sort(table, header, column), { title: "Sort" });
    button.append(...header.childNodes);
    header.append(button);
  });
}

// Sorting and filtering of the leaderboard. Without scripts the table is whole and in its own order.
"use strict";
(() => {
  const table = document.querySelector("table[data-sortable]");
  if (!table) return;
  const STEP = 50;
  const body = table.tBodies[0];
  const filter = document.querySelector("[data-filter]");
  const count = document.querySelector("[data-count]");
  const more = document.querySelector("[data-more]");
  const heads = [...table.tHead.rows[0].cells];
  const rows = [...body.rows].map((row, place) => ({
    row,
    place,
    text: row.textContent.toLowerCase(),
    cells: [...row.cells].map((cell) => cell.textContent.trim()),
  }));
  for (const entry of rows) {
    // Words of neighbouring cells must not run together.
    entry.text = entry.cells.join("\n").toLowerCase();
  }
  let shown = STEP;
  let order = rows;

  const number = (text) => {
    const value = parseFloat(text.replace(/,/g, "").replace("−", "-"));
    return Number.isNaN(value) ? null : value;
  };

  const compare = (column, numeric, sign) => (a, b) => {
    const [x, y] = [a.cells[column], b.cells[column]].map((t) => (numeric ? number(t) : t));
    if (numeric && (x === null || y === null)) {
      return (x === null) - (y === null) || a.place - b.place; // what is missing stands last either way
    }
    const difference = numeric ? x - y : x.localeCompare(y);
    return sign * difference || a.place - b.place;
  };

  const draw = () => {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = order.filter((entry) => words.every((word) => entry.text.includes(word)));
    body.replaceChildren(...found.slice(0, shown).map((entry) => entry.row));
    count.textContent = `${Math.min(shown, found.length)} of ${found.length} rows shown`;
    more.hidden = found.length <= shown;
  };

  heads.forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => {
      const numeric = !head.classList.contains("l");
      const ascending = head.getAttribute("aria-sort") !== "ascending";
      heads.forEach((other) => other.setAttribute("aria-sort", "none"));
      head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
      order = [...rows].sort(compare(column, numeric, ascending ? 1 : -1));
      draw();
    });
  });
  filter.addEventListener("input", () => {
    shown = STEP;
    draw();
  });
  more.addEventListener("click", () => {
    shown += 200;
    draw();
  });
  heads[0].setAttribute("aria-sort", "ascending");
  draw();
})();

// The leaderboard in the page: what readers ask, and the rows that answer. Without scripts its first rows stand there.
"use strict";
const leaderboard = (() => {
  const STEP = 50, MORE = 200, PREFIX = "candidate-";
  const state = { asked: "", groups: ["", ""], sort: null, limit: STEP, linked: null };
  let whole = null; // the table with all rows
  let answer = null; // the table that is shown, grouped or not, with its `rows` in order
  const find = (selector) => document.querySelector(`#leaderboard ${selector}`);

  function element(name, attributes = {}, text = "") {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text) made.textContent = text;
    return made;
  }

  /** Answers what is asked and draws it. */
  function ask() {
    const rows = questions.filtered(whole, questions.parsed(state.asked, whole));
    const keys = state.groups.filter(Boolean).map(named);
    answer = keys.length ? questions.grouped(whole, rows, [...new Set(keys)]) : whole;
    answer.rows = keys.length ? [...answer.columns[0].values.keys()] : rows;
    const by = state.sort && answer.columns.find((column) => column.name === state.sort.name);
    if (by) answer.rows = questions.sorted(answer.rows, by, state.sort.sign);
    draw();
  }

  const named = (name) => whole.columns.find((column) => column.name === name);
  const shownColumns = () => answer.columns.filter((column) => column.shown);

  function draw() {
    const columns = shownColumns();
    find("table").tHead.replaceChildren(headings(columns));
    const rows = answer.rows.slice(0, state.limit);
    if (isLinkedElsewhere(rows)) rows.unshift(state.linked);
    find("tbody").replaceChildren(...rows.map((row) => line(columns, row)));
    const what = answer === whole ? "rows" : "groups";
    find("[data-count]").textContent = `${Math.min(state.limit, answer.rows.length)} of ${answer.rows.length} ${what} shown`;
    find("[data-more]").hidden = answer.rows.length <= state.limit;
  }

  /** Whether the linked row is further down than what is drawn: it then stands first. */
  const isLinkedElsewhere = (rows) => answer === whole && state.linked !== null && !rows.includes(state.linked);

  function headings(columns) {
    const row = element("tr");
    for (const column of columns) {
      const sign = sortedBy(column);
      const head = element("th", { scope: "col", "aria-sort": sign ? (sign > 0 ? "ascending" : "descending") : "none" });
      if (column.words) head.className = "l";
      const button = element("button", { type: "button" }, column.name);
      button.addEventListener("click", () => sortBy(column));
      head.append(button);
      row.append(head);
    }
    return row;
  }

  /** 1 or -1 if the rows stand in the order of this column: at first in that of their ranks. */
  function sortedBy(column) {
    if (!state.sort) return answer === whole && column === whole.columns[0] ? 1 : 0;
    return state.sort.name === column.name ? state.sort.sign : 0;
  }

  function sortBy(column) {
    state.sort = { name: column.name, sign: sortedBy(column) > 0 ? -1 : 1 };
    ask();
    const place = shownColumns().findIndex((other) => other.name === column.name);
    find("table").tHead.rows[0].cells[place].querySelector("button").focus({ preventScroll: true });
  }

  function line(columns, row) {
    const made = element("tr");
    columns.forEach((column, i) => {
      const cell = element(i ? "td" : "th", i ? {} : { scope: "row" });
      if (column.words) cell.className = "l";
      const text = questions.written(column, row);
      cell.append(answer === whole && column === whole.columns[0] ? link(row, text) : text);
      made.append(cell);
    });
    if (answer === whole) made.id = PREFIX + whole.ids[row];
    if (row === state.linked && answer === whole) made.className = "linked";
    return made;
  }

  function link(row, text) {
    const place = PREFIX + whole.ids[row];
    return element("a", { href: `#${place}`, "aria-label": `${text}, link to this row` }, text);
  }

  /** Shows the row that the address names, whatever was asked before. */
  function follow() {
    const id = decodeURIComponent(location.hash.slice(1));
    const row = id.startsWith(PREFIX) ? whole.ids.indexOf(id.slice(PREFIX.length)) : -1;
    state.linked = row < 0 ? null : row;
    if (state.linked === null) return;
    if (answer !== whole || !answer.rows.includes(row)) clear();
    ask();
    const shown = document.getElementById(id);
    shown.tabIndex = -1;
    shown.focus({ preventScroll: true });
    shown.scrollIntoView({ block: "center" });
  }

  function clear() {
    Object.assign(state, { asked: "", groups: ["", ""] });
    find("[data-filter]").value = "";
    for (const choice of document.querySelectorAll("#leaderboard [data-group]")) choice.value = "";
  }

  async function copy() {
    const text = questions.csv(shownColumns(), answer.rows);
    const done = await navigator.clipboard.writeText(text).then(() => true, () => copyBySelecting(text));
    const rows = `${answer.rows.length} ${answer.rows.length === 1 ? "row" : "rows"}`;
    find("[data-copied]").textContent = done ? `Copied ${rows}.` : "The browser does not let this page copy.";
  }

  function copyBySelecting(text) {
    const field = element("textarea", { "aria-hidden": "true" });
    field.value = text;
    document.body.append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    find("[data-copy]").focus();
    return done;
  }

  /** The check boxes of columns, and the choices of groups. */
  function fillChoices() {
    const boxes = whole.columns.map((column) => {
      const box = element("input", { type: "checkbox" });
      box.checked = column.shown;
      box.addEventListener("change", () => {
        column.shown = box.checked;
        ask();
      });
      const label = element("label");
      label.append(box, ` ${column.name}`);
      return label;
    });
    find("[data-columns]").replaceChildren(...boxes);
    const groups = whole.columns.filter((column) => column.words || !column.measured).slice(1);
    document.querySelectorAll("#leaderboard [data-group]").forEach((choice, i) => {
      choice.replaceChildren(element("option", { value: "" }, "–"));
      choice.append(...groups.map((column) => element("option", { value: column.name }, column.name)));
      choice.value = state.groups[i];
    });
  }

  function listen() {
    const asks = (change) => {
      change();
      state.limit = STEP;
      ask();
    };
    find("[data-filter]").addEventListener("input", (event) => asks(() => (state.asked = event.target.value)));
    document.querySelectorAll("#leaderboard [data-group]").forEach((choice, i) => {
      choice.addEventListener("change", () => asks(() => (state.groups[i] = choice.value)));
    });
    find("[data-more]").addEventListener("click", () => {
      state.limit += MORE;
      draw();
    });
    find("[data-copy]").addEventListener("click", copy);
    find("[data-controls]").hidden = false;
  }

  /** Takes new rows, what is asked and shown staying as it is. */
  function load(json) {
    const shown = whole && new Map(whole.columns.map((column) => [column.name, column.shown]));
    whole = JSON.parse(json);
    for (const column of whole.columns) column.shown = shown?.get(column.name) ?? column.shown;
    state.linked = null;
    fillChoices();
    ask();
  }

  function start() {
    const rows = document.querySelector("#leaderboard script[type='application/json']");
    if (!rows) return;
    load(rows.textContent);
    listen();
    follow();
    window.addEventListener("hashchange", follow);
  }

  start();
  return { load, start };
})();

// Questions to a table: which rows, in which order, in which groups. Nothing here touches the page.
// A table has `columns`, each with a value for every row: a number or null, or the number of one of its `words`.
"use strict";
const questions = (() => {
  const COMPARISONS = {
    ">": (a, b) => a > b,
    "<": (a, b) => a < b,
    ">=": (a, b) => a >= b || near(a, b),
    "<=": (a, b) => a <= b || near(a, b),
    "=": (a, b) => near(a, b),
    "!=": (a, b) => !near(a, b),
  };
  const COMPARED = /(>=|<=|!=|=|>|<)\s*(-?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)\s*(%?)/gi;

  // Numbers as they are written: seven digits.
  const near = (a, b) => Math.abs(a - b) <= 1e-6 * Math.max(Math.abs(a), Math.abs(b));
  const plain = (text) => text.toLowerCase().replaceAll("_", " ");
  const columnNamed = (table, name) => table.columns.find((column) => column.name === name);

  /** What `tanh learning rate = 0.01 > 61 %` asks: words, and numbers compared with columns, the metric if none is named. */
  function parsed(text, table) {
    const asked = { words: [], tests: [] };
    const addWords = (part) => asked.words.push(...part.toLowerCase().split(/\s+/).filter(Boolean));
    let from = 0;
    for (const found of text.matchAll(COMPARED)) {
      const before = text.slice(from, found.index);
      const column = namedAtEnd(before, table);
      addWords(column ? before.trimEnd().slice(0, -column.name.length) : before);
      asked.tests.push(test(column ?? columnNamed(table, table.metric), found));
      from = found.index + found[0].length;
    }
    addWords(text.slice(from));
    return asked;
  }

  function namedAtEnd(text, table) {
    const numeric = table.columns.filter((column) => !column.words);
    const fitting = numeric.filter((column) => ` ${plain(text).trimEnd()}`.endsWith(` ${plain(column.name)}`));
    return fitting.sort((a, b) => b.name.length - a.name.length)[0];
  }

  /** A comparison; of percentages, numbers up to 1 are shares, so that 0.9 and 90 are the same. */
  function test(column, [, sign, digits, percent]) {
    const number = parseFloat(digits);
    const share = column.scale === 100 && !percent && Math.abs(number) <= 1;
    return { column, sign, value: share ? number : number / (column.scale || 1) };
  }

  /** The rows that hold all words in their columns of words and pass all tests. */
  function filtered(table, { words, tests }) {
    const texts = table.columns.filter((column) => column.words);
    const lower = texts.map((column) => column.words.map((word) => word.toLowerCase()));
    const text = (row) => texts.map((column, i) => lower[i][column.values[row]]).join("\n");
    const passes = (row) => tests.every(({ column, sign, value }) =>
      column.values[row] !== null && COMPARISONS[sign](column.values[row], value));
    const rows = [...table.columns[0].values.keys()].filter(passes);
    return words.length ? rows.filter((row) => words.every((word) => text(row).includes(word))) : rows;
  }

  /** The rows in the order of a column; what is not known stands last either way, ties as they were. */
  function sorted(rows, column, sign) {
    const key = column.words ? alphabetical(column) : (row) => column.values[row];
    const after = (a, b) => (a === null) - (b === null) || sign * (a - b);
    return [...rows].sort((a, b) => after(key(a), key(b)) || a - b);
  }

  const places = new WeakMap(); // of words in the alphabet: ordered once

  function alphabetical({ words, values }) {
    if (!places.has(words)) {
      const compare = new Intl.Collator(undefined, { numeric: true }).compare;
      const order = [...words.keys()].sort((a, b) => compare(words[a], words[b]));
      const place = new Array(order.length);
      order.forEach((word, i) => (place[word] = i));
      places.set(words, place);
    }
    return (row) => places.get(words)[values[row]];
  }

  /** A table with a row for each group: its keys, how many rows, and of what is measured the mean and its error. */
  function grouped(table, rows, keys) {
    const { groups, first } = numbered(rows, keys);
    const measured = table.columns.filter((column) => column.measured && column.shown);
    const size = count(groups, first.length);
    return {
      columns: [
        ...keys.map((column) => ({ ...column, shown: true, values: first.map((row) => column.values[row]) })),
        counted("n", size),
        ...measured.flatMap((column) => summarised(column, rows, groups, size)),
      ],
    };
  }

  /** For each row the number of its group, and the first row of each group. */
  function numbered(rows, keys) {
    const number = new Map();
    const first = [];
    const groups = rows.map((row) => {
      const key = keys.length > 1 ? `${keys[0].values[row]}|${keys[1].values[row]}` : keys[0].values[row];
      if (!number.has(key)) number.set(key, first.push(row) - 1);
      return number.get(key);
    });
    return { groups, first };
  }

  /** Columns with the mean and standard error over what is known in each group, and how much that is if not all. */
  function summarised(column, rows, groups, size) {
    const known = [...rows.keys()].filter((i) => column.values[rows[i]] !== null);
    const own = known.map((i) => groups[i]);
    const values = known.map((i) => column.values[rows[i]]);
    const n = count(own, size.length);
    const means = total(own, values, size.length).map((sum, group) => (n[group] ? sum / n[group] : null));
    const squares = total(own, values.map((value, i) => (value - means[own[i]]) ** 2), size.length);
    const errors = squares.map((sum, group) => (n[group] > 1 ? Math.sqrt(sum / (n[group] - 1) / n[group]) : null));
    const of = (name, found) => ({ ...column, name: `${column.name}, ${name}`, values: found });
    const summary = [of("mean", means), of("standard error", errors)];
    return n.every((number, group) => number === size[group]) ? summary : [...summary, counted(`${column.name}, n`, n)];
  }

  const counted = (name, values) => ({ name, values, scale: 1, sign: "", decimals: 0, shown: true });

  function total(groups, values, length) {
    const sums = new Array(length).fill(0);
    groups.forEach((group, i) => (sums[group] += values[i]));
    return sums;
  }

  const count = (groups, length) => total(groups, new Array(groups.length).fill(1), length);

  /** A cell as the report writes it. */
  function written(column, row) {
    const value = column.values[row];
    if (column.words) return column.words[value];
    if (value === null) return "–";
    const shown = column.scale * value;
    const digits = column.decimals ?? null;
    return (digits === null ? String(Number(shown.toPrecision(4))) : shown.toFixed(digits)) + column.sign;
  }

  /** All rows with raw numbers, for programs. */
  function csv(columns, rows) {
    const quoted = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
    const cell = (column, row) => (column.words ? column.words[column.values[row]] : String(column.values[row] ?? ""));
    const lines = rows.map((row) => columns.map((column) => quoted(cell(column, row))).join(","));
    return [columns.map((column) => quoted(column.name)).join(","), ...lines].join("\n") + "\n";
  }

  return { parsed, filtered, sorted, grouped, written, csv };
})();

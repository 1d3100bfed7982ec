// What a served page does beyond one from a file: it follows the run as networks end, and asks SQL.
"use strict";
(() => {
  const EVERY = 2000; // milliseconds
  const KEPT = ["leaderboard", "sql"]; // sections in which readers are at work
  const said = document.querySelector("[data-following]");
  let version = document.body.dataset.version;

  const now = () => new Date().toLocaleTimeString();

  async function follow() {
    try {
      const answer = await fetch("version");
      if (!answer.ok) throw new Error(await answer.text());
      if ((await answer.json()).version !== version) await refresh();
    } catch (error) {
      said.textContent = `Not up to date since ${now()}: ${error.message}`;
    }
    setTimeout(follow, EVERY);
  }

  async function refresh() {
    const answer = await fetch("");
    if (!answer.ok) throw new Error(await answer.text());
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    document.title = fresh.title;
    takeOver(fresh.querySelector("main"));
    document.querySelector("nav").replaceWith(fresh.querySelector("nav"));
    version = fresh.body.dataset.version;
    said.textContent = `Updated at ${now()}`;
  }

  /** Shows the new sections; those in which readers are at work stay, with new rows. */
  function takeOver(main) {
    const rows = main.querySelector("#leaderboard script")?.textContent;
    const begins = rows && !document.getElementById("leaderboard");
    const old = document.querySelector("main");
    if (ids(old) === ids(main)) {
      for (const section of main.querySelectorAll("section")) replace(section);
    } else {
      const active = document.activeElement;
      for (const id of KEPT) {
        const kept = old.querySelector(`#${id}`);
        if (kept) main.querySelector(`#${id}`)?.replaceWith(kept);
      }
      old.replaceWith(main);
      if (main.contains(active)) active.focus({ preventScroll: true }); // moving it has taken the focus away
    }
    if (begins) leaderboard.start();
    else if (rows) leaderboard.load(rows);
  }

  const ids = (main) => [...main.querySelectorAll("section")].map((section) => section.id).join();

  function replace(section) {
    const old = document.getElementById(section.id);
    if (KEPT.includes(section.id) || old.innerHTML === section.innerHTML) return;
    const open = [...old.querySelectorAll("details")].map((details) => details.open);
    section.querySelectorAll("details").forEach((details, i) => (details.open = open[i] ?? false));
    old.replaceWith(section);
  }

  async function ask(event) {
    event.preventDefault();
    const query = document.querySelector("#sql textarea").value;
    const status = document.querySelector("[data-answered]");
    status.textContent = "Asking …";
    try {
      const answer = await fetch("sql", { method: "POST", body: query });
      if (!answer.ok) throw new Error(await answer.text());
      const { columns, rows, total } = await answer.json();
      draw(columns, rows);
      const all = `${total} ${total === 1 ? "row" : "rows"}`;
      status.textContent = total > rows.length ? `The first ${rows.length} of ${all}` : all;
    } catch (error) {
      draw([], []);
      status.textContent = error.message;
    }
  }

  function draw(columns, rows) {
    const table = document.querySelector("#sql table");
    const numeric = columns.map((_, i) => rows.every((row) => row[i] === null || typeof row[i] === "number"));
    const cell = (value, i, head) => {
      const made = document.createElement(head ? "th" : "td");
      if (head) made.scope = "col";
      if (!numeric[i]) made.className = "l";
      made.textContent = value === null ? "" : typeof value === "object" ? JSON.stringify(value) : value;
      return made;
    };
    const line = (values, head) => {
      const made = document.createElement("tr");
      made.append(...values.map((value, i) => cell(value, i, head)));
      return made;
    };
    table.tHead.replaceChildren(line(columns, true));
    table.tBodies[0].replaceChildren(...rows.map((row) => line(row, false)));
    table.parentElement.hidden = !columns.length;
  }

  document.querySelector("#sql form").addEventListener("submit", ask);
  document.querySelector("#sql textarea").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) ask(event);
  });
  if (said) follow();
})();

"use strict";
(() => {
  const results = JSON.parse(document.getElementById("results").textContent);
  const SYMBOLS = { passed: "✓", failed: "✕", deviated: "≈", unsupported: "–", skipped: "○" };
  const ORDER = ["failed", "deviated", "passed", "unsupported", "skipped"];
  const MANY = 4; // drivers that fit beside the sentences with their verdicts in words
  const SHOWN = 3; // failures or differences listed before a reader asks for more

  const drivers = [
    ...new Set([...results.header.drivers.map((d) => d.name), ...results.records.map((r) => r.driver)]),
  ];
  const byId = (id) => document.getElementById(id);

  /** An element; text stays text, whatever it holds. */
  function el(tag, attributes, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      node.setAttribute(name, value);
    }
    node.append(...children.flat().filter((child) => child !== false && child != null && child !== ""));
    return node;
  }
  const count = (number, one, many) => `${number.toLocaleString("en")} ${number === 1 ? one : many}`;

  // -- the model ----------------------------------------------------------------------------------

  const clauses = new Map();
  for (const record of results.records) {
    let clause = clauses.get(record.clause);
    if (!clause) {
      const { clause: id, sentence, source, needs } = record;
      clause = { id, sentence, source, needs, records: new Map(), differences: [] };
      clause.family = id.split("/")[0];
      clause.text = `${id} ${sentence} ${source} ${needs}`.toLowerCase();
      clauses.set(id, clause);
    }
    clause.records.set(record.driver, record);
  }
  for (const difference of results.differences) {
    clauses.get(difference.clause)?.differences.push(difference);
  }
  const families = new Map();
  for (const clause of clauses.values()) {
    clause.verdicts = new Set([...clause.records.values()].map((record) => record.verdict));
    clause.differs = clause.differences.length > 0 || clause.verdicts.size > 1;
    if (!families.has(clause.family)) families.set(clause.family, { name: clause.family, clauses: [] });
    families.get(clause.family).clauses.push(clause);
  }

  // -- small parts ---------------------------------------------------------------------------------

  function verdictMark(verdict) {
    return [el("span", { class: "sign", "aria-hidden": "true" }, SYMBOLS[verdict]), el("span", { class: "word" }, verdict)];
  }

  async function copy(text) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      const area = el("textarea", { class: "off-screen" });
      area.value = text;
      document.body.append(area);
      area.select();
      const copied = document.execCommand("copy");
      area.remove();
      return copied;
    }
  }

  function command(text, label = "Run it again") {
    const button = el("button", { type: "button", class: "copy" }, "Copy");
    button.addEventListener("click", async () => {
      button.textContent = (await copy(text)) ? "Copied" : "Blocked";
      setTimeout(() => { button.textContent = "Copy"; }, 1600);
    });
    return el("div", { class: "command" }, el("span", { class: "label" }, label), el("code", {}, text), button);
  }

  /** Two texts with the part that differs marked in each. */
  function contrast(one, other) {
    const [left, right] = [one, other].map((text) => text.split(/(\s+|[,()[\]{}=])/).filter(Boolean));
    const alike = left.filter((token, at) => /\w/.test(token) && token === right[at]).length;
    if (alike && left.length === right.length) {
      const marked = (tokens, others) => tokens.map((token, at) => (token === others[at] ? token : el("mark", {}, token)));
      return [marked(left, right), marked(right, left)];
    }
    let start = 0;
    while (start < left.length && start < right.length && left[start] === right[start]) start++;
    let end = 0;
    while (end < left.length - start && end < right.length - start && left.at(-1 - end) === right.at(-1 - end)) end++;
    if (start + end === 0) return [[one], [other]];
    return [left, right].map((tokens) => {
      const middle = tokens.slice(start, tokens.length - end).join("");
      return [
        tokens.slice(0, start).join(""),
        middle && el("mark", {}, middle),
        tokens.slice(tokens.length - end).join(""),
      ];
    });
  }

  function pair(leftLabel, left, rightLabel, right) {
    const [one, other] = contrast(left, right);
    const side = (label, text) => el("div", {}, el("span", { class: "label" }, label), el("pre", {}, text));
    return el("div", { class: "pair" }, side(leftLabel, one), side(rightLabel, other));
  }

  function call(text) {
    return el("div", { class: "call" }, el("span", { class: "label" }, "Call"), el("pre", {}, text));
  }

  function linked(text) {
    return text.split(/(https?:\/\/[^\s)]+)/).map((part) =>
      /^https?:\/\//.test(part) ? el("a", { href: part, rel: "noreferrer" }, part) : part);
  }

  /** The first few of a list, and a button for the rest. */
  function firstOf(items, build, noun) {
    const box = el("div", { class: "list" }, items.slice(0, SHOWN).map(build));
    if (items.length > SHOWN) {
      const more = el("button", { type: "button", class: "more" }, `Show all ${items.length.toLocaleString("en")} ${noun}`);
      more.addEventListener("click", () => more.replaceWith(...items.slice(SHOWN).map(build)));
      box.append(more);
    }
    return box;
  }

  // -- details --------------------------------------------------------------------------------------

  function keyTable(keys) {
    const rows = keys.map(({ key, before, after }) => {
      const [old, now] = contrast(before ?? "-", after ?? "-");
      return el("tr", {},
        el("th", { scope: "row" }, key),
        el("td", { "data-label": "Before" }, old),
        el("td", { "data-label": "After" }, now));
    });
    const heads = ["Key", "Before", "After"].map((name) => el("th", { scope: "col" }, name));
    return el("table", { class: "keys" },
      el("thead", {}, el("tr", {}, heads)), el("tbody", {}, rows));
  }

  /** The word of the shell that a command line begins with. */
  function program(line) {
    return line.match(/^(?:'[^']*'|\S+)/)[0];
  }

  function failure(found, record) {
    return el("div", { class: "failure" },
      call(found.call),
      pair("Expected", found.expected, "Observed", found.observed),
      found.keys.length > 0 && el("div", {}, el("span", { class: "label" }, "Keys that changed"), keyTable(found.keys)),
      found.text && el("details", { class: "text" },
        el("summary", {}, `Full text, ${found.test}${found.phase === "call" ? "" : `, ${found.phase}`}`),
        el("pre", {}, found.text)),
      found.trace && command(`${program(record.rerun)} replay ${found.trace} --driver ${record.driver}`),
      found.rerun !== record.rerun && command(found.rerun));
  }

  function difference(found, withClause) {
    const link = el("a", { href: `#${found.clause}` }, found.clause);
    return el("article", { class: "difference" },
      withClause && el("h3", {}, link, el("span", { class: "sentence" }, clauses.get(found.clause)?.sentence ?? "")),
      call(found.call),
      pair(found.left, found.left_observed, found.right, found.right_observed),
      command(found.rerun));
  }

  /** What the tests counted of their work. */
  function figures(record) {
    const found = Object.entries(record.figures);
    if (!found.length) return false;
    const digits = (value) => (Number.isInteger(value) || value >= 100 ? 0 : 2);
    return el("ul", { class: "figures" }, found.map(([name, value]) =>
      el("li", {}, el("b", {}, value.toLocaleString("en", { maximumFractionDigits: digits(value) })), ` ${name}`)));
  }

  function onDriver(record) {
    const effort = `${count(record.tests, "test", "tests")}, ${record.seconds.toFixed(record.seconds < 1 ? 3 : 1)} s`;
    return el("section", { class: `driver ${record.verdict}` },
      el("h4", {}, el("span", { class: "name" }, record.driver),
        el("span", { class: `verdict ${record.verdict}` }, verdictMark(record.verdict)),
        el("span", { class: "effort" }, effort)),
      record.reason && el("p", { class: "reason" }, linked(record.reason)),
      figures(record),
      record.failures.length > 0 && firstOf(record.failures, (found) => failure(found, record), "failures"),
      command(record.rerun));
  }

  function details(clause) {
    return [
      el("dl", { class: "facts" },
        el("div", {}, el("dt", {}, "Source"), el("dd", {}, clause.source || "none")),
        el("div", {}, el("dt", {}, "Capability"), el("dd", {}, clause.needs || "none")),
        el("div", {}, el("dt", {}, "Link"), el("dd", {}, el("a", { href: `#${clause.id}` }, `#${clause.id}`)))),
      clause.differences.length > 0 && el("section", { class: "between" },
        el("h4", {}, "Answered differently"),
        firstOf(clause.differences, (found) => difference(found, false), "differences")),
      drivers.filter((name) => clause.records.has(name)).map((name) => onDriver(clause.records.get(name))),
    ].flat().filter(Boolean);
  }

  function setOpen(clause, open) {
    clause.button.setAttribute("aria-expanded", String(open));
    clause.row.classList.toggle("open", open);
    if (open && !clause.panel) {
      clause.panel = el("div", { class: "panel", role: "row" }, el("div", { role: "cell", "aria-colspan": drivers.length + 1, class: "details" }, details(clause)));
      clause.row.after(clause.panel);
    }
    if (clause.panel) clause.panel.hidden = !open;
  }

  function toggle(clause) {
    const open = clause.button.getAttribute("aria-expanded") !== "true";
    setOpen(clause, open);
    if (open) history.replaceState(null, "", `#${clause.id}`);
  }

  // -- the matrix -----------------------------------------------------------------------------------

  function cell(clause, name) {
    const record = clause.records.get(name);
    const verdict = record?.verdict;
    return el("div", { class: `cell ${verdict ?? "absent"}`, role: "cell" },
      el("span", { class: "of" }, name), verdict ? verdictMark(verdict) : el("span", { class: "word" }, "not run"));
  }

  function buildClause(clause) {
    clause.button = el("button", { type: "button", class: "sentence", "aria-expanded": "false" }, clause.sentence);
    clause.row = el("div", { class: "row clause", role: "row" },
      el("div", { class: "what", role: "rowheader" }, clause.button,
        el("span", { class: "id" }, clause.id),
        clause.differences.length > 0 && el("span", { class: "differs" }, "≠ answers differ")),
      drivers.map((name) => cell(clause, name)));
    clause.row.addEventListener("click", (event) => {
      if (event.target.closest("a") || String(getSelection())) return;
      toggle(clause);
    });
    return clause.row;
  }

  function buildFamily(family) {
    family.count = el("span", { class: "count" });
    family.button = el("button", { type: "button", "aria-expanded": "true" }, family.name);
    family.button.addEventListener("click", () => setFamily(family, family.button.getAttribute("aria-expanded") !== "true"));
    family.sums = drivers.map((name) => el("div", { class: "sum", role: "cell" }));
    const title = el("div", { class: "row title", role: "row" },
      el("div", { class: "what", role: "rowheader" }, family.button, family.count), family.sums);
    family.box = el("div", { class: "family", role: "rowgroup" }, title, family.clauses.map(buildClause));
    family.box.style.containIntrinsicSize = `auto ${64 * family.clauses.length + 56}px`;
    return family.box;
  }

  function setFamily(family, open) {
    family.button.setAttribute("aria-expanded", String(open));
    family.box.classList.toggle("closed", !open);
  }

  // -- filters ---------------------------------------------------------------------------------------

  const filter = { words: [], verdicts: new Set(), differences: false };
  const chips = new Map();

  function buildChips() {
    for (const verdict of ORDER) {
      const number = el("span", { class: "number" });
      const chip = el("button", { type: "button", class: `chip ${verdict}`, "aria-pressed": "false" }, verdictMark(verdict), number);
      chip.addEventListener("click", () => {
        if (!filter.verdicts.delete(verdict)) filter.verdicts.add(verdict);
        apply();
      });
      chips.set(verdict, { chip, number });
      byId("verdicts").append(chip);
    }
  }

  function apply() {
    const counts = Object.fromEntries(ORDER.map((verdict) => [verdict, 0]));
    let visible = 0;
    for (const family of families.values()) {
      const shown = family.clauses.filter((clause) => {
        const found = filter.words.every((word) => clause.text.includes(word)) && (!filter.differences || clause.differs);
        if (found) for (const verdict of clause.verdicts) counts[verdict]++;
        const wanted = found && (!filter.verdicts.size || [...clause.verdicts].some((one) => filter.verdicts.has(one)));
        clause.row.classList.toggle("out", !wanted);
        return wanted;
      });
      family.box.classList.toggle("out", shown.length === 0);
      family.count.textContent = count(shown.length, "clause", "clauses");
      drivers.forEach((name, column) => sum(family.sums[column], name, shown));
      visible += shown.length;
    }
    for (const [verdict, { chip, number }] of chips) {
      number.textContent = counts[verdict].toLocaleString("en");
      chip.setAttribute("aria-pressed", String(filter.verdicts.has(verdict)));
      chip.classList.toggle("zero", counts[verdict] === 0);
    }
    byId("only-differences").setAttribute("aria-pressed", String(filter.differences));
    byId("empty").hidden = visible > 0;
    const all = count(clauses.size, "clause", "clauses");
    byId("shown").textContent = visible === clauses.size ? all : `${visible.toLocaleString("en")} of ${all}`;
  }

  function sum(box, name, shown) {
    const records = shown.map((clause) => clause.records.get(name)).filter(Boolean);
    const of = (verdict) => records.filter((record) => record.verdict === verdict).length;
    box.replaceChildren(el("span", { class: "of" }, name), `${of("passed")}${drivers.length > MANY ? "/" : " of "}${records.length} ${SYMBOLS.passed}`,
      of("failed") ? el("span", { class: "failed" }, `${of("failed")} ${SYMBOLS.failed}`) : "");
  }

  function clear() {
    filter.words = [];
    filter.verdicts.clear();
    filter.differences = false;
    byId("search").value = "";
    apply();
  }

  // -- keys, links, theme ---------------------------------------------------------------------------

  const reachable = () => [...clauses.values()].filter((clause) => clause.row.checkVisibility
    ? clause.row.checkVisibility() : clause.row.offsetParent);

  function step(by) {
    const list = reachable();
    const at = list.findIndex((clause) => clause.row.contains(document.activeElement)
      || clause.panel?.contains(document.activeElement));
    const next = list[at < 0 ? 0 : Math.min(Math.max(at + by, 0), list.length - 1)];
    next?.button.focus({ preventScroll: true });
    next?.row.scrollIntoView({ block: "nearest" });
  }

  function onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target.matches?.("input, textarea");
    const inRow = event.target.closest?.(".row.clause");
    if (event.key === "Escape" && (typing || !inRow)) {
      clear();
      event.target.blur?.();
    } else if (typing) {
      if (event.key === "Enter" || event.key === "ArrowDown") { event.preventDefault(); event.target.blur(); step(0); }
    } else if (event.key === "/") {
      event.preventDefault();
      byId("search").focus();
    } else if (event.key === "j" || (inRow && event.key === "ArrowDown")) {
      event.preventDefault();
      step(1);
    } else if (event.key === "k" || (inRow && event.key === "ArrowUp")) {
      event.preventDefault();
      step(-1);
    }
  }

  function follow() {
    let id = location.hash.slice(1);
    try { id = decodeURIComponent(id); } catch { return; }
    const clause = clauses.get(id);
    if (!clause) return;
    if (clause.row.classList.contains("out")) clear();
    setFamily(families.get(clause.family), true);
    setOpen(clause, true);
    clause.button.focus({ preventScroll: true });
    clause.row.scrollIntoView({ block: "start" });
  }

  function setUpTheme() {
    const button = byId("theme");
    const names = ["auto", "light", "dark"];
    const show = (name) => {
      document.documentElement.dataset.theme = name;
      button.textContent = `Theme: ${name}`;
    };
    button.hidden = false;
    show(document.documentElement.dataset.theme);
    button.addEventListener("click", () => {
      const name = names[(names.indexOf(document.documentElement.dataset.theme) + 1) % names.length];
      show(name);
      try { localStorage.setItem("metaparity-theme", name); } catch { /* the choice lasts for this page */ }
    });
  }

  /** The name of a driver or pair, which may go on in a new line behind its signs. */
  function breakable(name) {
    return name.split(/(?<=[+?&])/).flatMap((part, place) => (place ? [el("wbr"), part] : [part]));
  }

  // -- start ------------------------------------------------------------------------------------------

  document.documentElement.style.setProperty("--drivers", drivers.length);
  document.documentElement.classList.toggle("many", drivers.length > MANY);
  byId("columns").append(el("div", { class: "what", id: "shown", role: "status" }),
    ...drivers.map((name) => el("div", { "aria-hidden": "true" }, breakable(name))));
  byId("head").hidden = false;
  byId("table").append(...[...families.values()].map(buildFamily));
  buildChips();
  apply();
  if (results.differences.length) {
    byId("differences").hidden = false;
    byId("difference-list").append(firstOf(results.differences, (found) => difference(found, true), "differences"));
  }
  byId("search").addEventListener("input", (event) => {
    filter.words = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
    apply();
  });
  byId("only-differences").addEventListener("click", () => { filter.differences = !filter.differences; apply(); });
  for (const link of document.querySelectorAll("a[data-verdict]")) {
    link.addEventListener("click", () => {
      clear();
      filter.verdicts.add(link.dataset.verdict);
      apply();
    });
  }
  byId("clear").addEventListener("click", clear);
  byId("collapse").addEventListener("click", (event) => {
    const closed = event.currentTarget.getAttribute("aria-pressed") !== "true";
    event.currentTarget.setAttribute("aria-pressed", String(closed));
    event.currentTarget.textContent = closed ? "Expand all" : "Collapse all";
    for (const family of families.values()) setFamily(family, !closed);
  });
  document.addEventListener("keydown", onKey);
  addEventListener("hashchange", follow);
  setUpTheme();
  follow();
})();

"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const el = (name, text, className) => {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text; // never innerHTML: the texts come from models and documents
    if (className) made.className = className;
    return made;
  };
  const svg = (name, attributes) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  };

  // Theme
  const theme = $("theme");
  const isDark = () => {
    const chosen = document.documentElement.dataset.theme;
    return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  };
  const nameTheme = () => { theme.textContent = isDark() ? "Light" : "Dark"; };
  theme.hidden = false;
  nameTheme();
  theme.addEventListener("click", () => {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    nameTheme();
  });
  addEventListener("beforeprint", () => {
    for (const part of document.querySelectorAll("details")) part.open = true;
  });

  // Sorting: within each section, so that controls stay apart; what is undefined goes last
  const table = $("arms-table");
  for (const button of table.querySelectorAll("thead button")) {
    button.disabled = false;
    button.addEventListener("click", () => {
      const heading = button.closest("th");
      const column = Number(button.dataset.column);
      const descending = heading.getAttribute("aria-sort") === "ascending" ||
        (!heading.hasAttribute("aria-sort") && heading.classList.contains("right"));
      for (const other of table.querySelectorAll("[aria-sort]")) other.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
      const numeric = heading.classList.contains("right");
      for (const body of table.tBodies) {
        const rows = [...body.querySelectorAll("tr.arm")].map((row) => [row.cells[column].dataset.sort, row]);
        rows.sort(([a], [b]) => {
          if (a === "" || b === "") return (a === "") - (b === "");
          const order = numeric ? Number(a) - Number(b) : a < b ? -1 : a > b ? 1 : 0;
          return descending ? -order : order;
        });
        for (const [, row] of rows) body.append(row);
      }
    });
  }

  // Facts
  const data = JSON.parse($("data").textContent);
  const { strings, facts, arms } = data;
  const count = facts.seed.length;
  if (!count) return;
  const text = (number) => (number < 0 || number === null ? "" : strings[number]);
  const JUDGEMENTS = { o: ["original", "✓"], p: ["planted", "✗"], x: ["other", "~"], u: ["unscored", "?"] };
  for (const arm of arms) {
    arm.name = arm.retain ? `${arm.label} · ${arm.retain}` : arm.label;
    arm.place = new Int32Array(count).fill(-1);
    for (let i = 0; i < arm.judgement.length; i++) arm.place[typeof arm.fact === "number" ? i : arm.fact[i]] = i;
  }
  const known = [];
  for (let i = 0; i < count; i++) {
    known.push([facts.subject[i], facts.relation[i], facts.question[i], facts.planted[i], ...facts.answers[i]]
      .map(text).join("\n").toLowerCase());
  }

  const choose = (select, options, chosen) => {
    for (const [value, words] of options) {
      const option = el("option", words);
      option.value = value;
      option.selected = value === chosen;
      select.append(option);
    }
  };
  const distinct = (values) => [...new Set(values)];
  const anyOf = (values) => [["", "any"], ...values.map((value) => [String(value), String(value)])];
  const KINDS = { reference: "References", control: "Controls", method: "Methods" };
  for (const [kind, words] of Object.entries(KINDS)) {
    const same = arms.map((arm, i) => [String(i), arm.name, arm]).filter(([, , arm]) => arm.kind === kind);
    if (!same.length) continue;
    const group = el("optgroup");
    group.label = words;
    choose(group, same);
    $("f-arm").append(group);
  }
  const start = arms.findIndex((arm) => arm.id === "corrupted");
  $("f-arm").value = String(Math.max(start, 0));
  choose($("f-judgement"), [["", "anything"], ...Object.entries(JUDGEMENTS).map(([key, [name]]) => [key, name])]);
  choose($("f-relation"), anyOf(distinct(facts.relation.map(text)).sort()));
  const groups = distinct(facts.group.map(text));
  choose($("f-group"), anyOf(groups), groups.includes("test") ? "test" : "");
  const seeds = distinct(facts.seed).sort((a, b) => a - b);
  choose($("f-seed"), anyOf(seeds));
  $("f-seed-label").hidden = seeds.length < 2;

  const PAGE = 100;
  let found = [];
  let shown = 0;
  let current = -1;

  const badge = (letter) => {
    const [name, sign] = JUDGEMENTS[letter];
    return el("span", `${sign} ${name}`, `badge j-${letter}`);
  };
  const foreign = (words, name = "span") => {
    const made = el(name, words, "foreign");
    made.dir = "auto";
    return made;
  };

  const filter = () => {
    const arm = arms[Number($("f-arm").value)];
    const wanted = $("f-text").value.trim().toLowerCase();
    const [judgement, relation, group, seed] = ["judgement", "relation", "group", "seed"].map((id) => $(`f-${id}`).value);
    found = [];
    for (let i = 0; i < count; i++) {
      const place = arm.place[i];
      if (judgement && (place < 0 || arm.judgement[place] !== judgement)) continue;
      if (relation && text(facts.relation[i]) !== relation) continue;
      if (group && text(facts.group[i]) !== group) continue;
      if (seed && String(facts.seed[i]) !== seed) continue;
      if (wanted && !known[i].includes(wanted) &&
        !(place >= 0 && text(arm.completion[place]).toLowerCase().includes(wanted))) continue;
      found.push(i);
    }
    shown = 0;
    $("list").replaceChildren();
    more();
    const tally = { o: 0, p: 0, x: 0, u: 0 };
    for (const i of found) if (arm.place[i] >= 0) tally[arm.judgement[arm.place[i]]]++;
    const parts = Object.entries(tally).filter(([, n]) => n).map(([key, n]) => `${n} ${JUDGEMENTS[key][0]}`);
    $("count").textContent = `${found.length} of ${count} facts; answers of ${arm.name}: ${parts.join(", ") || "none"}`;
    if (!found.includes(current)) show(found.length ? found[0] : -1);
    else show(current);
  };

  const more = () => {
    const arm = arms[Number($("f-arm").value)];
    for (const i of found.slice(shown, shown + PAGE)) {
      const place = arm.place[i];
      const button = el("button");
      button.type = "button";
      button.dataset.fact = i;
      const subject = el("b", `${text(facts.subject[i])}, ${text(facts.relation[i])}`);
      subject.dir = "auto";
      button.append(subject);
      button.append(place < 0 ? el("span", "", "badge") : badge(arm.judgement[place]));
      const said = el("span", place < 0 ? "not on this page" : text(arm.completion[place]).trim() || "(empty)", "said");
      said.dir = "auto";
      button.append(said);
      const item = el("li");
      item.append(button);
      $("list").append(item);
    }
    shown = Math.min(found.length, shown + PAGE);
    $("more").hidden = shown >= found.length;
    mark();
  };
  const mark = () => {
    for (const button of $("list").querySelectorAll("button")) {
      button.setAttribute("aria-current", String(Number(button.dataset.fact) === current));
    }
  };

  const OPTIONS = ["original", "planted", "random"];
  const shapes = {
    original: (x) => svg("circle", { class: "m-original", cx: x, cy: 11, r: 5 }),
    planted: (x) => svg("path", { class: "m-planted", d: `M${x} 5l6 10.5h-12z` }),
    random: (x) => svg("rect", { class: "m-random", x: x - 4, y: 7, width: 8, height: 8 }),
  };
  const strip = (values, low) => {
    const words = OPTIONS.map((name, i) => `${name} ${values[i] === null ? "none" : (values[i] / 100).toFixed(2)}`).join(", ");
    const made = svg("svg", { viewBox: "0 0 130 22", role: "img", "aria-label": words });
    const title = svg("title", {});
    title.textContent = words;
    made.append(title, svg("line", { class: "axis", x1: 7, x2: 123, y1: 11, y2: 11 }));
    for (const i of [2, 1, 0]) if (values[i] !== null) made.append(shapes[OPTIONS[i]](7 + 116 * (1 - values[i] / low)));
    return made;
  };

  const show = (i) => {
    current = i;
    mark();
    const panel = $("detail");
    panel.replaceChildren();
    panel.hidden = i < 0;
    if (i < 0) return;
    panel.append(foreign(text(facts.question[i]), "h3"));
    const terms = el("dl");
    const add = (name, words) => {
      terms.append(el("dt", name));
      const value = el("dd");
      value.append(foreign(words));
      terms.append(value);
    };
    add("True answer", facts.answers[i].map(text).join(" or "));
    add("Planted answer", facts.planted[i] < 0 ? "none: an untouched entity" : text(facts.planted[i]));
    add("Entity, relation", `${text(facts.subject[i])}, ${text(facts.relation[i])}`);
    add("Group, seed", `${text(facts.group[i])}, ${facts.seed[i]}`);
    panel.append(terms);

    const chosen = Number($("f-arm").value);
    const values = arms.map((arm) => (arm.place[i] < 0 ? null : OPTIONS.map((name) => arm[name][arm.place[i]])));
    const low = Math.min(-100, ...values.flat().filter((value) => typeof value === "number"));
    const legend = el("p", "Log-prob per token, left ", "key-line");
    legend.append(`${(low / 100).toFixed(1)}, right 0 (certain):`);
    for (const name of OPTIONS) {
      const sample = svg("svg", { viewBox: "-7 4 14 14", class: "sample", "aria-hidden": "true" });
      sample.append(shapes[name](0));
      legend.append(sample, name === "original" ? "true" : name);
    }
    panel.append(legend);
    const grid = el("table");
    const head = el("tr");
    for (const name of ["Arm", "Answer, and how it was judged", "Log-probs"]) {
      const heading = el("th", name);
      heading.scope = "col";
      head.append(heading);
    }
    const top = el("thead");
    top.append(head);
    const body = el("tbody");
    arms.forEach((arm, number) => {
      const place = arm.place[i];
      if (place < 0) return;
      const row = el("tr", undefined, number === chosen ? "chosen" : "");
      const name = el("th", arm.name);
      name.scope = "row";
      const said = el("td");
      const rank = arm.rank[place] === null ? "" : `true answer ranks ${arm.rank[place]} of ${facts.candidates[i]}`;
      said.append(foreign(text(arm.completion[place]).trim() || "(empty)"), " ", badge(arm.judgement[place]));
      const why = foreign([text(arm.reason[place]), rank].filter(Boolean).join("; "), "div");
      why.classList.add("soft");
      said.append(why);
      const bars = el("td");
      bars.append(strip(values[number], low));
      row.append(name, said, bars);
      body.append(row);
    });
    grid.append(top, body);
    panel.append(grid);
    const prompt = el("details");
    prompt.append(el("summary", "The whole prompt"), foreign(text(facts.prefix[i]) + text(facts.question[i]), "pre"));
    panel.append(prompt);
  };

  $("list").addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    show(Number(button.dataset.fact));
    if (matchMedia("(max-width: 860px)").matches) $("detail").scrollIntoView();
  });
  $("list").addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || !event.target.closest("li")) return;
    const item = event.target.closest("li");
    const next = (step > 0 ? item.nextElementSibling : item.previousElementSibling)?.firstElementChild;
    if (next) {
      event.preventDefault();
      next.focus();
      show(Number(next.dataset.fact));
    }
  });
  $("more").addEventListener("click", more);
  $("filters").addEventListener("submit", (event) => event.preventDefault());
  $("filters").addEventListener("input", filter);
  $("browser").hidden = false;
  filter();
})();

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
  // What an arm makes of a fact: the judgement of most of its scored runs; of equally frequent ones the first of these,
  // so that a doubt is never taken as knowledge. The same rule counts in the table of moved facts.
  const ORDER = ["x", "p", "o"];
  const mostly = (letters) => {
    let best = "u";
    let most = 0;
    for (const letter of ORDER) {
      const times = letters.filter((other) => other === letter).length;
      if (times > most) [best, most] = [letter, times];
    }
    return best;
  };
  for (const arm of arms) {
    arm.name = arm.retain ? `${arm.label} · ${arm.retain}` : arm.label;
    arm.runs = new Map(); // of facts that were asked more than once: their answers
    arm.place = new Int32Array(count).fill(-1); // an answer that shows what the arm makes of the fact
    for (let i = 0; i < arm.judgement.length; i++) {
      const fact = typeof arm.fact === "number" ? i : arm.fact[i];
      if (arm.place[fact] < 0) arm.place[fact] = i;
      else if (arm.runs.has(fact)) arm.runs.get(fact).push(i);
      else arm.runs.set(fact, [arm.place[fact], i]);
    }
    for (const [fact, runs] of arm.runs) {
      const state = mostly(runs.map((i) => arm.judgement[i]));
      arm.place[fact] = runs.find((i) => arm.judgement[i] === state);
    }
  }
  const stateOf = (arm, fact) => (arm.place[fact] < 0 ? "" : arm.judgement[arm.place[fact]]);
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
  const KINDS = { reference: "References", baseline: "Baselines", control: "Controls", method: "Methods" };
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
  $("f-group-label").hidden = groups.length < 2;
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
    const none = text(facts.group[i]) === "untouched" ? "none: an untouched entity" : "not known";
    add("Planted answer", facts.planted[i] < 0 ? none : text(facts.planted[i]));
    if (facts.shown[i]) add("Demonstrations", "show a true answer");
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
    const fact = i;
    arms.forEach((arm, number) => {
      const place = arm.place[fact];
      if (place < 0) return;
      const row = el("tr", undefined, number === chosen ? "chosen" : "");
      const name = el("th", arm.name);
      name.scope = "row";
      const said = el("td");
      const rank = arm.rank[place] === null ? "" : `true answer ranks ${arm.rank[place]} of ${facts.candidates[fact]}`;
      const answers = new Map(); // what was said, and how often
      for (const i of arm.runs.get(fact) || [place]) {
        const words = text(arm.completion[i]).trim() || "(empty)";
        const key = `${arm.judgement[i]} ${words}`;
        answers.set(key, [words, arm.judgement[i], (answers.get(key)?.[2] || 0) + 1]);
      }
      for (const [words, letter, times] of answers.values()) {
        const line = el("div");
        line.append(foreign(words), " ", badge(letter), times > 1 ? ` × ${times}` : "");
        said.append(line);
      }
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

  // Facts that moved
  const CHANGES = {
    restored: (before, after) => after === "o" && before !== "o",
    lost: (before, after) => before === "o" && after !== "o",
    planted: (before, after) => after === "p" && before !== "p",
    forgotten: (before, after) => before === "p" && after === "x",
  };
  const answerOf = (arm, i) => {
    const cell = el("td");
    const place = arm.place[i];
    cell.append(foreign(text(arm.completion[place]).trim() || "(empty)"), " ", badge(arm.judgement[place]));
    const runs = arm.runs.get(i);
    if (runs) {
      const same = runs.filter((run) => arm.judgement[run] === arm.judgement[place]).length;
      cell.append(el("span", ` ${same} of ${runs.length}`, "soft"));
    }
    return cell;
  };
  const startMoves = () => {
    const pairs = data.moved;
    choose($("m-pair"), pairs.map((pair, n) => [String(n), `${arms[pair.before].name} → ${arms[pair.after].name}`]));
    const start = pairs.findIndex((pair) => arms[pair.after].kind === "method");
    $("m-pair").value = String(Math.max(start, 0));
    choose($("m-relation"), anyOf(distinct(facts.relation.map(text)).sort()));
    const shownGroups = groups.filter((group) => group !== "validation");
    choose($("m-group"), anyOf(shownGroups));
    $("m-group-label").hidden = shownGroups.length < 2;
    let listed = [];
    let drawn = 0;

    const tally = (table, heading, rows) => {
      table.replaceChildren();
      const head = el("tr");
      const known = [...$("m-change").options].map((option) => option.value).filter(Boolean);
      for (const name of [heading, "Facts", ...known]) {
        const cell = el("th", name, name === heading ? "" : "right");
        cell.scope = "col";
        head.append(cell);
      }
      const top = el("thead");
      top.append(head);
      const body = el("tbody");
      for (const [name, count, ...changes] of rows) {
        const row = el("tr");
        const first = el("th");
        first.scope = "row";
        first.append(foreign(text(name)));
        row.append(first, el("td", String(count), "right"));
        changes.slice(0, known.length).forEach((number) => row.append(el("td", String(number), "right")));
        body.append(row);
      }
      table.append(top, body);
    };
    const draw = () => {
      const pair = pairs[Number($("m-pair").value)];
      const [before, after] = [arms[pair.before], arms[pair.after]];
      const body = $("m-list").tBodies[0];
      for (const i of listed.slice(drawn, drawn + PAGE)) {
        const row = el("tr");
        const fact = el("th");
        fact.scope = "row";
        const button = el("button", `${text(facts.subject[i])}, ${text(facts.relation[i])}`, "fact foreign");
        button.type = "button";
        button.dir = "auto";
        button.dataset.fact = i;
        button.title = "What every arm says";
        fact.append(button);
        const truth = el("td");
        truth.append(foreign(facts.answers[i].map(text).join(" or ")));
        row.append(fact, truth, answerOf(before, i), answerOf(after, i));
        body.append(row);
      }
      drawn = Math.min(listed.length, drawn + PAGE);
      $("m-more").hidden = drawn >= listed.length;
    };
    const list = () => {
      const pair = pairs[Number($("m-pair").value)];
      const [before, after] = [arms[pair.before], arms[pair.after]];
      const wanted = $("m-text").value.trim().toLowerCase();
      const [change, relation, group] = ["change", "relation", "group"].map((id) => $(`m-${id}`).value);
      const tests = change ? [CHANGES[change]] : Object.values(CHANGES);
      listed = [];
      let all = 0;
      for (let i = 0; i < count; i++) {
        const [one, other] = [stateOf(before, i), stateOf(after, i)];
        if (!ORDER.includes(one) || !ORDER.includes(other) || text(facts.group[i]) === "validation") continue;
        if (Object.values(CHANGES).some((test) => test(one, other))) all++;
        if (!tests.some((test) => test(one, other))) continue;
        if (relation && text(facts.relation[i]) !== relation) continue;
        if (group && text(facts.group[i]) !== group) continue;
        if (wanted && ![known[i], ...[before, after].map((arm) => text(arm.completion[arm.place[i]]).toLowerCase())]
          .some((words) => words.includes(wanted))) continue;
        listed.push(i);
      }
      drawn = 0;
      $("m-list").tBodies[0].replaceChildren();
      $("m-before").textContent = before.name;
      $("m-after").textContent = after.name;
      draw();
      const cut = pair.moves > all ? `; ${pair.moves - all} more moved and are not on this page` : "";
      $("m-count").textContent = `${listed.length} of ${all} facts that moved${cut}`;
      tally($("m-relations"), "Relation", pair.relations);
      tally($("m-entities"), "Entity", pair.entities);
      $("m-entities-more").textContent = pair.more ? `${pair.more} more entities; facts.parquet has all.` : "";
    };
    for (const button of $("moved-table").querySelectorAll("button.number")) {
      button.disabled = false;
      button.addEventListener("click", () => {
        for (const id of ["pair", "change", "group"]) $(`m-${id}`).value = button.dataset[id];
        $("m-relation").value = $("m-text").value = "";
        list();
        $("m-pair").focus();
      });
    }
    $("m-list").addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (!button) return;
      show(Number(button.dataset.fact));
      $("detail").scrollIntoView();
      $("detail").focus();
    });
    $("m-more").addEventListener("click", draw);
    $("m-filters").addEventListener("submit", (event) => event.preventDefault());
    $("m-filters").addEventListener("input", list);
    $("moves").hidden = false;
    list();
  };
  $("filters").addEventListener("submit", (event) => event.preventDefault());
  $("filters").addEventListener("input", filter);
  $("browser").hidden = false;
  filter();
  if ($("moves")) startMoves();
})();

// The fact browser: what every arm says to every fact, filtered, one fact at a time beside the list.
const startFacts = (page, flows) => {
  const { facts, arms, count, text, state } = page;
  if (!count) return;
  const MORE = 100;
  const FIELDS = ["text", "entity", "relation", "arm", "judgement", "group", "seed"];
  const field = (name) => $(`f-${name}`);
  let found = [];
  let shown = 0;
  let current = -1;
  let way = null; // the flow that was chosen: {way, arm}

  const known = [];
  for (let i = 0; i < count; i++) {
    known.push([facts.subject[i], facts.relation[i], facts.question[i], facts.planted[i], ...facts.answers[i]]
      .map(text).join("\n").toLowerCase());
  }
  const lowered = new Map(); // texts in small letters, made when they are first searched
  const small = (number) => {
    if (!lowered.has(number)) lowered.set(number, text(number).toLowerCase());
    return lowered.get(number);
  };

  chooseArm(field("arm"), arms);
  const first = flows ? flows.arm() : arms.findIndex((arm) => arm.id === "corrupted");
  field("arm").value = String(Math.max(first, 0));
  choose(field("judgement"), [["", "anything"], ...Object.entries(JUDGEMENTS).map(([key, [name]]) => [key, name])]);
  choose(field("relation"), anyOf(distinct(facts.relation.map(text)).sort()));
  const groups = distinct(facts.group.map(text));
  const usual = groups.includes("test") ? "test" : "";
  const TITLES = { test: "targeted", validation: "validation", untouched: "untouched" };
  choose(field("group"), [["", "any"], ...groups.map((name) => [name, TITLES[name]])], usual);
  $("f-group-label").hidden = groups.length < 2;
  const seeds = distinct(facts.seed).sort((a, b) => a - b);
  choose(field("seed"), anyOf(seeds));
  $("f-seed-label").hidden = seeds.length < 2;
  choose($("f-entities"), distinct(facts.subject.map(text)).sort().slice(0, 2000).map((name) => [name, ""]));
  if (flows) choose(field("way"), [["", "any"], ...WAYS[flows.length].map(([value, words]) => [value, words])]);
  $("f-way-label").hidden = !flows;

  const badge = (letter) => {
    const [name, sign] = JUDGEMENTS[letter];
    return el("span", `${sign} ${name}`, `badge j-${letter}`);
  };
  const models = () => (way ? [...page.origins.map((place) => arms[place]), arms[way.arm]] : []);

  const filter = () => {
    const arm = arms[Number(field("arm").value)];
    const wanted = field("text").value.trim().toLowerCase();
    const entity = field("entity").value.trim().toLowerCase();
    const [relation, judgement, group, seed] = ["relation", "judgement", "group", "seed"].map((name) => field(name).value);
    const over = models();
    found = [];
    for (let i = 0; i < count; i++) {
      if (group && text(facts.group[i]) !== group) continue;
      if (seed && String(facts.seed[i]) !== seed) continue;
      if (relation && text(facts.relation[i]) !== relation) continue;
      const place = arm.place[i];
      if (judgement && (place < 0 || arm.judgement[place] !== judgement)) continue;
      if (over.some((model, at) => !fits(way.way[at], state(model, i)))) continue;
      if (entity && !small(facts.subject[i]).includes(entity)) continue;
      if (wanted && !known[i].includes(wanted) && !(place >= 0 && small(arm.completion[place]).includes(wanted))) continue;
      found.push(i);
    }
    shown = 0;
    $("list").replaceChildren();
    more();
    const tally = { o: 0, p: 0, x: 0, u: 0 };
    for (const i of found) if (arm.place[i] >= 0) tally[arm.judgement[arm.place[i]]]++;
    const parts = Object.entries(tally).filter(([, n]) => n).map(([key, n]) => `${counted(n)} ${JUDGEMENTS[key][0]}`);
    const flow = way ? `, only those that go ${wayWords(way.way)} (${over.map((model) => model.name).join(" → ")})` : "";
    $("count").textContent =
      `${counted(found.length)} of ${counted(count)} facts${flow}; answers of ${arm.name}: ${parts.join(", ") || "none"}`;
    const narrowed = wanted || entity || relation || judgement || seed;
    const lacking = way && !narrowed ? flows.count(way.way, way.arm, group) - found.length : 0;
    if (lacking > 0) $("count").textContent += `; ${counted(lacking)} more go this way and are not on this page`;
    $("clear").hidden = !narrowed && !way && group === usual;
    show(found.includes(current) ? current : found.length ? found[0] : -1);
  };

  const more = () => {
    const arm = arms[Number(field("arm").value)];
    for (const i of found.slice(shown, shown + MORE)) {
      const place = arm.place[i];
      const button = el("button");
      button.type = "button";
      button.dataset.fact = i;
      const subject = el("b", `${text(facts.subject[i])}, ${text(facts.relation[i])}`);
      subject.dir = "auto";
      const said = el("span", place < 0 ? "not on this page" : text(arm.completion[place]).trim() || "(empty)", "said");
      said.dir = "auto";
      button.append(subject, place < 0 ? el("span", "", "badge") : badge(arm.judgement[place]), said);
      const item = el("li");
      item.append(button);
      $("list").append(item);
    }
    shown = Math.min(found.length, shown + MORE);
    $("more").hidden = shown >= found.length;
    mark();
  };
  const mark = () => {
    for (const button of $("list").querySelectorAll("button")) {
      button.setAttribute("aria-current", String(Number(button.dataset.fact) === current));
    }
  };

  const shapes = {
    original: (x) => svg("circle", { class: "m-original", cx: x, cy: 11, r: 5 }),
    planted: (x) => svg("path", { class: "m-planted", d: `M${x} 5l6 10.5h-12z` }),
    random: (x) => svg("rect", { class: "m-random", x: x - 4, y: 7, width: 8, height: 8 }),
  };
  const decimals = (hundredths) => minus((hundredths / 100).toFixed(2));
  const strip = (values, low) => {
    const words = OPTIONS.map((name, i) => `${name === "original" ? "true" : name} ${values[i] === null ? "none" : decimals(values[i])}`)
      .join(", ");
    const made = svg("svg", { viewBox: "0 0 130 22", role: "img", "aria-label": `Log-probs: ${words}` });
    const title = svg("title", {});
    title.textContent = words;
    made.append(title, svg("line", { class: "axis", x1: 7, x2: 123, y1: 11, y2: 11 }));
    for (const i of [2, 1, 0]) if (values[i] !== null) made.append(shapes[OPTIONS[i]](7 + 116 * (1 - values[i] / low)));
    return made;
  };

  // The log-probs of an arm as bars: of every option that was asked for, or else of the three kinds of answer.
  const options = (arm, i) => {
    const place = arm.place[i];
    const values = arm.options && arm.options[place];
    const rows = values
      ? facts.options[i].map(([words, sort], at) => [text(words), ["x", "o", "p"][sort], values[at]])
      : OPTIONS.map((name, at) => [["the true answer", "the planted answer", "random answers, mean"][at], "opx"[at], arm[name][place]]);
    const real = rows.filter(([, , value]) => value !== null).sort((a, b) => b[2] - a[2]);
    if (!real.length) return null;
    const box = el("div", undefined, "options");
    box.append(el("h4", `How likely ${arm.name} holds each answer`));
    box.append(el("p", `Mean log-prob per token, in nats: 0 is certain, a longer bar is likelier.${values ? "" : " Single options are not stored."}`, "soft"));
    const low = Math.min(-100, ...real.map(([, , value]) => value));
    const table = el("table");
    table.className = "bars";
    const body = el("tbody");
    for (const [words, letter, value] of real) {
      const row = el("tr");
      const name = el("th");
      name.scope = "row";
      name.append(foreign(words), letter === "x" ? "" : " ", letter === "x" ? "" : badge(letter));
      const bar = el("td", undefined, "share");
      const inner = el("span", undefined, `fill f-${letter}`);
      inner.style.width = `${Math.max(2, 100 * (1 - value / (1.15 * low)))}%`;
      bar.append(inner);
      row.append(name, bar, el("td", decimals(value), "right"));
      body.append(row);
    }
    table.append(body);
    box.append(table);
    return box;
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
    if (facts.dose[i] !== null) add("Forget documents", `${facts.dose[i]} state the planted answer`);
    add("Entity, relation", `${text(facts.subject[i])}, ${text(facts.relation[i])}`);
    add("Group, seed", `${TITLES[text(facts.group[i])]}, ${facts.seed[i]}`);
    panel.append(terms);

    const chosen = Number(field("arm").value);
    if (arms[chosen].place[i] >= 0) panel.append(options(arms[chosen], i) || "");
    panel.append(answers(i, chosen));
    const prompt = el("details");
    prompt.append(el("summary", "The whole prompt"), foreign(text(facts.prefix[i]) + text(facts.question[i]), "pre"));
    panel.append(prompt);
  };

  const answers = (i, chosen) => {
    const box = el("div");
    box.append(el("h4", "What every arm answers"));
    const values = arms.map((arm) => (arm.place[i] < 0 ? null : OPTIONS.map((name) => arm[name][arm.place[i]])));
    const low = Math.min(-100, ...values.flat().filter((value) => typeof value === "number"));
    const legend = el("p", `Log-prob per token, left ${minus((low / 100).toFixed(1))}, right 0 (certain):`, "key-line");
    for (const name of OPTIONS) {
      const sample = svg("svg", { viewBox: "-7 4 14 14", class: "sample", "aria-hidden": "true" });
      sample.append(shapes[name](0));
      legend.append(sample, name === "original" ? "true" : name);
    }
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
      if (arm.place[i] < 0) return;
      const row = el("tr", undefined, number === chosen ? "chosen" : "");
      const name = el("th");
      name.scope = "row";
      const button = el("button", arm.name, "fact");
      button.type = "button";
      button.dataset.arm = number;
      button.title = "Show the log-probs of this arm";
      name.append(button);
      const bars = el("td");
      bars.append(strip(values[number], low));
      row.append(name, said(arm, i), bars);
      body.append(row);
    });
    grid.append(top, body);
    box.append(legend, grid);
    return box;
  };
  const said = (arm, i) => {
    const place = arm.place[i];
    const cell = el("td");
    const rank = arm.rank[place] === null ? "" : `true answer ranks ${arm.rank[place]} of ${facts.candidates[i]}`;
    const times = new Map(); // what was said, and how often
    for (const run of arm.runs.get(i) || [place]) {
      const words = text(arm.completion[run]).trim() || "(empty)";
      const key = `${arm.judgement[run]} ${words}`;
      times.set(key, [words, arm.judgement[run], (times.get(key)?.[2] || 0) + 1]);
    }
    for (const [words, letter, number] of times.values()) {
      const line = el("div");
      line.append(foreign(words), " ", badge(letter), number > 1 ? ` × ${number}` : "");
      cell.append(line);
    }
    const why = foreign([text(arm.reason[place]), rank].filter(Boolean).join("; "), "div");
    why.classList.add("soft");
    cell.append(why);
    return cell;
  };

  // What is shown stands in the address, so that it can be sent to somebody.
  const remember = () => {
    const words = new URLSearchParams();
    for (const name of FIELDS) {
      const value = name === "arm" ? arms[Number(field("arm").value)].id : field(name).value;
      if (value !== "" || name === "group") words.set(name, value);
    }
    if (way) {
      words.set("way", way.way);
      words.set("of", arms[way.arm].id);
    }
    if (current >= 0) words.set("fact", String(current));
    try {
      history.replaceState(null, "", `#facts?${words}`);
    } catch { /* some browsers refuse it for files; the page works without */ }
  };
  const recall = () => {
    const start = "#facts?";
    if (!location.hash.startsWith(start)) return false;
    const given = new URLSearchParams(location.hash.slice(start.length));
    for (const one of FIELDS) {
      if (!given.has(one)) continue;
      const value = one === "arm" ? String(arms.findIndex((arm) => arm.id === given.get("arm"))) : given.get(one);
      const control = field(one);
      if (control.tagName !== "SELECT" || [...control.options].some((option) => option.value === value)) control.value = value;
    }
    const over = arms.findIndex((arm) => arm.id === given.get("of"));
    const wanted = given.get("way") || "";
    way = flows && flows.has(over) && wanted.length === flows.length && /^[opxun*]+$/.test(wanted) ? { way: wanted, arm: over } : null;
    field("way").value = way && WAYS[flows.length].some(([value]) => value === way.way) ? way.way : "";
    const fact = Number(given.get("fact"));
    if (given.has("fact") && Number.isInteger(fact) && fact >= 0 && fact < count) current = fact;
    return true;
  };

  const clear = () => {
    for (const name of ["text", "entity", "relation", "judgement", "seed"]) field(name).value = "";
    field("way").value = "";
    field("group").value = usual;
    way = null;
  };
  const changed = (event) => {
    const arm = Number(field("arm").value);
    if (event?.target === field("way")) way = field("way").value ? { way: field("way").value, arm: flows.has(arm) ? arm : flows.arm() } : null;
    if (event?.target === field("arm") && flows) {
      flows.follow(arm);
      if (way && flows.has(arm)) way.arm = arm;
    }
    filter();
    remember();
  };
  $("filters").addEventListener("submit", (event) => event.preventDefault());
  $("filters").addEventListener("input", changed);
  $("clear").addEventListener("click", () => {
    clear();
    changed();
    field("text").focus();
  });
  $("more").addEventListener("click", more);
  $("list").addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    show(Number(button.dataset.fact));
    remember();
    if (matchMedia("(max-width: 860px)").matches) $("detail").scrollIntoView();
  });
  $("list").addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || !event.target.closest("li")) return;
    event.preventDefault();
    const item = event.target.closest("li");
    const next = step > 0 ? item.nextElementSibling : item.previousElementSibling;
    if (!next) return;
    next.firstChild.focus();
    show(Number(next.firstChild.dataset.fact));
  });
  $("detail").addEventListener("click", (event) => {
    const button = event.target.closest("button[data-arm]");
    if (!button) return;
    field("arm").value = button.dataset.arm;
    const same = current;
    changed({ target: field("arm") });
    if (found.includes(same)) show(same);
    $("detail").focus();
  });
  if (flows) {
    flows.onPick((chosen, arm, group) => {
      clear();
      way = { way: chosen, arm };
      field("arm").value = String(arm);
      field("group").value = group;
      if (WAYS[flows.length].some(([value]) => value === chosen)) field("way").value = chosen;
      filter();
      remember();
      $("facts").scrollIntoView();
      $("clear").focus({ preventScroll: true });
    });
  }
  $("overview").addEventListener("click", (event) => {
    const link = event.target.closest("a.to-facts");
    if (!link) return;
    field("arm").value = link.closest("tr").dataset.arm;
    changed({ target: field("arm") });
  });
  addEventListener("hashchange", () => {
    if (recall()) filter();
  });
  const linked = recall();
  $("browser").hidden = false;
  filter();
  if (linked) $("facts").scrollIntoView({ behavior: "instant" });
};

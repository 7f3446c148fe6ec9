// The data are packed: JSON, compressed, in base64.
const unpack = async () => {
  const letters = atob($("data").textContent);
  const bytes = new Uint8Array(letters.length);
  for (let i = 0; i < letters.length; i++) bytes[i] = letters.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
};

const JUDGEMENTS = { o: ["true", "✓"], p: ["planted", "✗"], x: ["other", "~"], u: ["unscored", "?"] };
const OPTIONS = ["original", "planted", "random"];
// What an arm makes of a fact: the judgement of most of its scored runs; of equally frequent ones the first of these,
// so that a doubt is never taken as knowledge. The same rule counts in the flows.
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

const readable = (data) => {
  const { strings, facts } = data;
  const count = facts.seed.length;
  const text = (number) => (number < 0 || number === null ? "" : strings[number]);
  const arms = data.arms.map((arm, place) => ({ ...data.about[place], ...arm, place_of: place }));
  const names = arms.map((arm) => (arm.retain ? `${arm.label} · ${arm.retain}` : arm.label));
  for (const arm of arms) {
    const name = names[arm.place_of];
    arm.name = names.indexOf(name) === names.lastIndexOf(name) ? name : `${name} (${arm.id})`;
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
  const state = (arm, fact) => (arm.place[fact] < 0 ? "" : arm.judgement[arm.place[fact]]);
  return { ...data, arms, count, text, state };
};

const KINDS = { method: "Methods", oracle: "Oracles", control: "Controls", baseline: "Baselines", reference: "References" };
const chooseArm = (select, arms) => {
  for (const [kind, words] of Object.entries(KINDS)) {
    const same = arms.filter((arm) => arm.kind === kind).map((arm) => [String(arm.place_of), arm.name]);
    if (!same.length) continue;
    const group = el("optgroup");
    group.label = words;
    choose(group, same);
    select.append(group);
  }
};

// A way of a fact over the models: a letter each, `n` is any but the true answer, `*` anything.
const fits = (wanted, letter) => wanted === "*" ? letter !== "" : wanted === "n" ? "xp".includes(letter) && letter !== ""
  : wanted === letter;
const WAYS = {
  3: [["ono", "restored"], ["onp", "still planted"], ["onx", "moved to another wrong answer"], ["ooo", "never damaged"],
    ["oon", "newly damaged"], ["n*o", "gained"], ["n*n", "never known"]],
  2: [["no", "restored"], ["on", "lost"], ["oo", "kept"], ["np", "planted"], ["nx", "another wrong answer"]],
};
const wayName = (way) => WAYS[way.length]?.find(([wanted]) => [...wanted].every((letter, i) => fits(letter, way[i])))?.[1];
const wayWords = (way) => [...way].map((letter) => (letter === "*" ? "any" : letter === "n" ? "not true"
  : `${JUDGEMENTS[letter][1]} ${JUDGEMENTS[letter][0]}`)).join(" → ");

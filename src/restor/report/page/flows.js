// Which way the facts went: a sankey diagram and a list, both of which choose facts.
const startFlows = (page) => {
  const { arms, origins, flows } = page;
  if (!origins.length) return null;
  const targets = arms.filter((arm) => Object.values(flows).some((counts) => counts[arm.place_of]));
  chooseArm($("w-arm"), targets);
  const best = targets.filter((arm) => arm.kind === "method" && arm.restoration[0] !== null)
    .sort((a, b) => b.restoration[0] - a.restoration[0])[0];
  $("w-arm").value = String((best || targets.find((arm) => arm.kind === "method") || targets[0]).place_of);
  const GROUPS = { test: "targeted entities", untouched: "untouched entities" };
  choose($("w-group"), Object.keys(flows).map((group) => [group, GROUPS[group]]));
  $("w-group-label").hidden = Object.keys(flows).length < 2;
  const tell = []; // who wants to know of a flow that was chosen

  const ways = () => Object.entries(flows[$("w-group").value]?.[$("w-arm").value] || {}).sort((a, b) => b[1] - a[1]);
  const names = () => [...origins.map((place) => arms[place].name), arms[Number($("w-arm").value)].name];
  const pick = (way) => {
    for (const listener of tell) listener(way, Number($("w-arm").value), $("w-group").value);
  };
  const list = () => {
    const body = $("w-list").tBodies[0];
    body.replaceChildren();
    const all = ways();
    const total = all.reduce((sum, [, number]) => sum + number, 0);
    for (const [way, number] of all) {
      const row = el("tr");
      const first = el("th");
      first.scope = "row";
      const button = el("button", wayWords(way), "fact");
      button.type = "button";
      button.dataset.way = way;
      first.append(button, el("div", wayName(way) || "", "soft"));
      const bar = el("td", undefined, "share");
      const inner = el("span", undefined, `fill f-${way.at(-1)}`);
      inner.style.width = `${(100 * number) / total}%`;
      bar.append(inner);
      row.append(first, el("td", `${counted(number)}`, "right"), bar);
      body.append(row);
    }
    const heads = names().map((name) => foreign(name));
    $("w-stages").replaceChildren(...heads);
  };
  const option = (style) => {
    const length = names().length;
    const colours = { o: style.original, p: style.planted, x: style.other, u: style.line };
    const links = new Map();
    const sizes = new Map();
    for (const [way, number] of ways()) {
      for (let i = 0; i < length; i++) {
        const node = `${i}${way[i]}`;
        sizes.set(node, (sizes.get(node) || 0) + number);
        if (i + 1 === length) continue;
        const key = `${node} ${i + 1}${way[i + 1]}`;
        links.set(key, (links.get(key) || 0) + number);
      }
    }
    const rank = (name) => "opxu".indexOf(name[1]);
    return {
      ...style.base("Flows of facts from answer to answer; the list beside has the numbers."),
      tooltip: {
        ...style.tooltip,
        formatter: ({ dataType, data, name, value }) => (dataType === "edge"
          ? `${JUDGEMENTS[data.source[1]][0]} → ${JUDGEMENTS[data.target[1]][0]}: ${counted(value)} facts`
          : `${JUDGEMENTS[name[1]][0]}: ${counted(sizes.get(name))} facts`),
      },
      series: [{
        type: "sankey", left: 8, right: 8, top: 8, bottom: 8, nodeWidth: 16, nodeGap: 14, layoutIterations: 0,
        draggable: false, emphasis: { focus: "adjacency" },
        data: [...sizes.keys()].sort((a, b) => rank(a) - rank(b)).map((name) => ({
          name, depth: Number(name[0]), itemStyle: { color: colours[name[1]], borderColor: style.card },
          label: { position: Number(name[0]) + 1 === length ? "left" : "right" },
        })),
        links: [...links].map(([key, value]) => {
          const [source, target] = key.split(" ");
          return { source, target, value };
        }),
        lineStyle: { color: "target", opacity: 0.38, curveness: 0.5 },
        label: {
          color: style.ink, fontSize: 12,
          formatter: ({ name }) => `${JUDGEMENTS[name[1]][1]} ${JUDGEMENTS[name[1]][0]} ${counted(sizes.get(name))}`,
        },
      }],
    };
  };
  const chosen = ({ dataType, data, name }) => {
    const length = names().length;
    const way = [...Array(length).fill("*")];
    if (dataType === "edge") {
      way[Number(data.source[0])] = data.source[1];
      way[Number(data.target[0])] = data.target[1];
    } else {
      way[Number(name[0])] = name[1];
    }
    pick(way.join(""));
  };
  const drawn = chart($("w-chart"), option, { click: chosen });
  const draw = () => {
    list();
    drawn.draw();
  };
  $("w-filters").addEventListener("submit", (event) => event.preventDefault());
  $("w-filters").addEventListener("input", draw);
  $("w-list").addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button) pick(button.dataset.way);
  });
  $("w-panel").hidden = false;
  list();
  return {
    onPick: (listener) => tell.push(listener),
    length: origins.length + 1,
    has: (place) => targets.some((arm) => arm.place_of === place),
    arm: () => Number($("w-arm").value),
    // Facts of the whole study that go this way; a page may carry fewer.
    count: (wanted, place, group) => Object.entries(flows[group]?.[place] || {})
      .filter(([way]) => [...wanted].every((letter, at) => fits(letter, way[at])))
      .reduce((sum, [, number]) => sum + number, 0),
    follow: (place) => {
      if ($("w-arm").value === String(place) || !targets.some((arm) => arm.place_of === place)) return;
      $("w-arm").value = String(place);
      draw();
    },
  };
};

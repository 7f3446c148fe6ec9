// The charts that compare arms: all show the arms that were picked.
const startCharts = (page) => {
  const { arms, parts, series, curves, layers } = page;
  const picked = arms.filter((arm) => arm.picked).map((arm) => arm.place_of);
  const look = (place) => picked.indexOf(place) % COLOURS;
  const drawn = [];

  const nameOf = (place) => arms[place].name;
  const table = (name, heads, rows) => {
    const box = $(`chart-${name}`).querySelector("details.numbers");
    box.hidden = false;
    const fill = () => {
      const head = el("tr");
      heads.forEach((words, at) => {
        const cell = el("th", words, at ? "right" : "");
        cell.scope = "col";
        head.append(cell);
      });
      const top = el("thead");
      top.append(head);
      const body = el("tbody");
      for (const [first, ...others] of rows()) {
        const row = el("tr");
        const heading = el("th");
        heading.scope = "row";
        heading.append(foreign(first));
        row.append(heading, ...others.map((words) => el("td", words, "right")));
        body.append(row);
      }
      box.querySelector("table").replaceChildren(top, body);
    };
    box.ontoggle = () => {
      if (box.open) fill();
    };
    if (box.open) fill();
  };
  const number = (value) => (value === null || value === undefined ? "–" : minus(String(Number(value.toPrecision(3)))));

  // A chart with a choice of what it shows.
  const panel = (name, choices, option, numbers) => {
    const box = document.querySelector(`[data-chart="${name}"]`);
    if (!box || !choices.length) return;
    const select = $(`${name}-choice`);
    choose(select, choices.map((choice, at) => [String(at), choice.title]));
    const form = select.closest("form");
    form.hidden = choices.length < 2;
    form.addEventListener("submit", (event) => event.preventDefault());
    const choice = () => choices[Number(select.value)];
    const one = chart(box, (style) => option(choice(), style));
    const tell = () => table(name, ...numbers(choice()));
    form.addEventListener("input", () => {
      one.draw();
      tell();
    });
    tell();
    drawn.push(one);
  };

  // Dots with whiskers, and lines between them where the axis is one of numbers.
  const dots = (style, lines, { x, y, joined, format }) => {
    const made = [];
    const { top, legend } = style.legend(distinct(lines.map(({ name }) => name)));
    lines.forEach(({ name, points, at }) => {
      const paint = style.colours[at % COLOURS];
      made.push({
        type: "line", name, z: 3, data: points, encode: { x: 0, y: 1 }, symbol: SYMBOLS[at % SYMBOLS.length], symbolSize: 9,
        itemStyle: { color: paint }, lineStyle: joined ? { color: paint, width: 1.6, type: LINES[at % LINES.length] } : { width: 0 },
        showAllSymbol: true,
      }, {
        type: "custom", name, silent: true, z: 2, encode: { x: 0, y: [2, 3] }, itemStyle: { color: paint },
        data: points.filter(([, , low, high]) => low !== null && high !== null),
        renderItem: (_, api) => {
          const [left, bottom] = api.coord([api.value(0), api.value(2)]);
          const top = api.coord([api.value(0), api.value(3)])[1];
          return { type: "line", shape: { x1: left, x2: left, y1: bottom, y2: top }, style: { stroke: paint, lineWidth: 1.6, opacity: 0.7 } };
        },
      });
    });
    return {
      ...style.base("Restoration with 95 % intervals; the table below has the numbers."),
      grid: { left: 56, right: 14, top, bottom: 64 },
      legend,
      tooltip: {
        ...style.tooltip,
        formatter: ({ seriesName, value }) => safe(`${seriesName}\n${format(value[4] ?? value[0])}: ${noted(value.slice(1, 4))} %`),
      },
      xAxis: x,
      yAxis: style.axis("restoration", { type: "value", nameGap: 40, axisLabel: { color: style.soft, formatter: (value) => `${percent(value)} %` }, ...y }),
      series: [...made, {
        type: "line", data: [], silent: true, markLine: {
          silent: true, symbol: "none", lineStyle: { color: style.ink, type: "solid", opacity: 0.55 }, label: { show: false },
          data: [{ yAxis: 0 }, { yAxis: 1 }],
        },
      }],
    };
  };
  const fifths = (round, value) => round(value * 5 - 1e-9) / 5;
  const wide = (values) => ({
    min: Math.max(-1, fifths(Math.floor, Math.min(-0.02, ...values))), interval: 0.2,
    max: Math.min(1.6, fifths(Math.ceil, Math.max(1.02, ...values))),
  });

  const partChoice = (part) => {
    const numeric = part.orders.every((order) => order !== null);
    const shown = picked.filter((place) => part.arms[place]);
    const step = Math.min(0.12, 0.7 / Math.max(1, shown.length));
    return {
      title: (part.kind === "confidence" ? "by how sure the clean model was" : `by ${part.kind}`) +
        (part.left_out ? `, ${part.names.length} of ${part.names.length + part.left_out}` : ""),
      rows: () => Object.entries(part.arms).flatMap(([place, points]) => points.map(([at, value, low, high, n]) => [
        nameOf(Number(place)), part.names[at], noted([value, low, high]), counted(n)])),
      heads: ["Arm", part.title, "Restoration % [95 %]", "Facts"],
      option: (style) => {
        const now = picked.filter((place) => part.arms[place]);
        const lines = now.map((place, order) => ({
          name: nameOf(place), at: look(place),
          points: part.arms[place].filter(([, value]) => value !== null).map(([at, value, low, high]) => [
            numeric ? part.orders[at] : at + (order - (now.length - 1) / 2) * step, value, low, high, part.names[at]]),
        }));
        const values = lines.flatMap(({ points }) => points.flatMap((point) => point.slice(1, 4))).filter((value) => value !== null);
        const many = !numeric && part.names.length > 24;
        const x = numeric ? style.axis(part.title, { type: "value", scale: true }) : style.axis("", {
          type: "value", min: -1, max: part.names.length, interval: 1,
          axisLabel: {
            color: style.soft, fontSize: 11, rotate: part.names.length > 5 ? 35 : 0, hideOverlap: true, width: 110, overflow: "truncate",
            formatter: (value) => safe(part.names[value] ?? ""),
          },
          splitLine: { show: false },
        });
        const option = dots(style, lines, { x, y: wide(values), joined: numeric, format: (name) => name });
        if (many) {
          const window = { start: 0, end: 2400 / part.names.length };
          option.grid.bottom = 92;
          option.dataZoom = [{ type: "inside", ...window }, { type: "slider", bottom: 4, height: 16, ...window, brushSelect: false }];
        }
        return option;
      },
    };
  };
  const seriesChoice = (axis) => ({
    title: `against ${axis.title.split(":")[0]}${axis.series.length > COLOURS ? `, ${COLOURS} of ${axis.series.length} series` : ""}`,
    heads: ["Arms", axis.title, "Restoration % [95 %]", "Facts"],
    rows: () => axis.series.flatMap(({ label, points }) => points.map(([x, value, low, high, n]) => [
      label, number(x), noted([value, low, high]), counted(n)])),
    option: (style) => {
      const lines = axis.series.slice(0, COLOURS).map(({ label, points }, at) => ({
        name: label, at, points: points.filter(([, value]) => value !== null).map((point) => point.slice(0, 4)),
      }));
      const values = lines.flatMap(({ points }) => points.flatMap((point) => point.slice(1, 4))).filter((value) => value !== null);
      const x = style.axis(axis.title, { type: "value", scale: true });
      return dots(style, lines, { x, y: wide(values), joined: true, format: number });
    },
  });
  const order = ["confidence", "relation", "dose", "entity"];
  const partChoices = [...parts].sort((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind)).map(partChoice);
  panel("parts", [...partChoices, ...series.map(seriesChoice)], (choice, style) => choice.option(style),
    (choice) => [choice.heads, choice.rows]);

  const UNITS = [["seconds", "seconds"], ["tokens", "tokens trained on"], ["flops", "floating-point operations"]];
  const costed = (unit) => arms.filter((arm) => arm[unit] && arm.restoration[0] !== null);
  const SHAPES = { method: "circle", control: "diamond", oracle: "triangle" };
  panel("cost", UNITS.filter(([unit]) => costed(unit).length).map(([unit, title]) => ({ unit, title })), ({ unit, title }, style) => {
    const kinds = Object.keys(SHAPES).filter((kind) => costed(unit).some((arm) => arm.kind === kind));
    const costs = costed(unit).map((arm) => arm[unit]);
    const values = costed(unit).flatMap((arm) => arm.restoration).filter((value) => value !== null);
    const best = costed(unit).sort((a, b) => b.restoration[0] - a.restoration[0]).slice(0, 4).map((arm) => arm.place_of);
    const option = dots(style, kinds.map((kind, at) => ({
      name: KINDS[kind], at: at * 2, points: costed(unit).filter((arm) => arm.kind === kind)
        .map((arm) => [arm[unit], ...arm.restoration, arm.name, best.includes(arm.place_of)]),
    })), {
      x: style.axis(title, {
        // Small differences are no differences of magnitude.
        type: Math.max(...costs) > 20 * Math.min(...costs) ? "log" : "value", scale: true,
        axisLabel: { color: style.soft, fontSize: 11, hideOverlap: true, formatter: (value) => (value >= 1e5 ? value.toExponential(1).replace("+", "") : number(value)) },
      }),
      y: wide(values), joined: false, format: (name) => name,
    });
    for (const one of option.series) {
      if (one.type !== "line" || !one.name) continue;
      one.symbol = SHAPES[Object.keys(KINDS).find((kind) => KINDS[kind] === one.name)];
      one.label = { show: true, position: "right", color: style.ink, fontSize: 11, formatter: ({ value }) => (value[5] ? safe(value[4]) : "") };
      one.labelLayout = { hideOverlap: true };
    }
    option.grid.right = 90;
    return option;
  }, ({ unit, title }) => [["Arm", `Cost, ${title}`, "Restoration % [95 %]"],
    () => costed(unit).map((arm) => [arm.name, number(arm[unit]), noted(arm.restoration)])]);

  const lineChart = (style, lines, description, x, y) => ({
    ...style.base(description),
    grid: { left: 56, right: 14, top: style.legend(distinct(lines.map(({ name }) => name))).top, bottom: 52 },
    legend: style.legend(distinct(lines.map(({ name }) => name))).legend,
    tooltip: { ...style.tooltip, formatter: ({ seriesName, value }) => safe(`${seriesName}\n${x} ${number(value[0])}: ${number(value[1])}`) },
    xAxis: style.axis(x, { type: "value", scale: true }),
    yAxis: style.axis(y, { type: "value", scale: true, nameGap: 40 }),
    series: lines.map(({ name, at, points }) => ({
      type: "line", name, data: points, symbol: SYMBOLS[at % SYMBOLS.length], symbolSize: 5, showAllSymbol: false,
      itemStyle: { color: style.colours[at % COLOURS] },
      lineStyle: { color: style.colours[at % COLOURS], width: 1.6, type: LINES[at % LINES.length] },
    })),
  });
  panel("curves", curves.map((curve) => ({ ...curve, title: `${curve.name} (${curve.stage})` })), (curve, style) => {
    const shown = curve.lines.filter((line) => picked.includes(line.arm));
    const lines = (shown.length ? shown : curve.lines.slice(0, COLOURS)).map((line) => ({
      name: nameOf(line.arm), at: shown.length ? look(line.arm) : line.arm, points: line.points,
    }));
    return lineChart(style, lines, `${curve.name} by step; the table below has the numbers.`, "step", curve.name);
  }, (curve) => [["Arm", "Seed", "Step", curve.name], () => curve.lines.flatMap((line) => line.points
    .filter((_, at, all) => at % Math.ceil(all.length / 12) === 0 || at === all.length - 1)
    .map(([x, y]) => [nameOf(line.arm), String(line.seed ?? "all"), number(x), number(y)]))]);

  const LAYERS = [["original", "true answer"], ["planted", "planted answer"]];
  panel("layers", LAYERS.filter(([name]) => Object.values(layers).some((own) => own[name])).map(([name, title]) => ({ name, title })), ({ name, title }, style) => {
    const lines = picked.filter((place) => layers[place]?.[name]).map((place) => ({
      name: nameOf(place), at: look(place), points: layers[place][name].map((value, at) => [at + 1, value]),
    }));
    const option = lineChart(style, lines, `Mean log-prob of the ${title} after each layer; the table below has the numbers.`, "layer", "log-prob, nats");
    option.xAxis.minInterval = 1;
    return option;
  }, ({ name }) => [["Arm", "Layer", "Mean log-prob, nats"], () => Object.entries(layers).flatMap(([place, own]) => (own[name] || [])
    .map((value, at) => [nameOf(Number(place)), String(at + 1), number(value)]))]);

  if (!drawn.length) return;
  const boxes = $("c-arms");
  const say = () => {
    $("c-picked").textContent = picked.map(nameOf).join(", ") || "none";
    for (const box of boxes.querySelectorAll("input")) box.disabled = !box.checked && picked.length >= COLOURS;
  };
  for (const arm of arms.filter((one) => one.kind !== "baseline")) {
    const label = el("label");
    const box = el("input");
    box.type = "checkbox";
    box.value = String(arm.place_of);
    box.checked = picked.includes(arm.place_of);
    label.append(box, " ", foreign(arm.name));
    boxes.append(label);
  }
  boxes.addEventListener("input", (event) => {
    const place = Number(event.target.value);
    if (event.target.checked) picked.push(place);
    else picked.splice(picked.indexOf(place), 1);
    say();
    for (const one of drawn) one.draw();
  });
  say();
  $("c-panel").hidden = false;
};

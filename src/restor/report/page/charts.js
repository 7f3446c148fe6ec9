// Charts are drawn when they come into view, in the colours of the page, and as SVG so that they print sharply. Shapes
// and dashes tell arms apart where colours do not.
const COLOURS = 8;
const SYMBOLS = ["circle", "diamond", "rect", "triangle", "emptyCircle", "emptyDiamond", "emptyRect", "emptyTriangle"];
const LINES = ["solid", "dashed", "dotted", [8, 3, 2, 3], "solid", "dashed", "dotted", [8, 3, 2, 3]];
// ECharts takes {name|text} for a style: a mark of no width keeps foreign braces what they are.
const safe = (words) => String(words).replaceAll("{", "{\u2060");

const probe = el("span");
probe.hidden = true;
document.body.append(probe);
const colour = (name) => {
  probe.style.color = `var(--${name})`;
  return getComputedStyle(probe).color;
};
const styles = (width) => {
  const [ink, soft, line, card] = ["ink", "soft", "line", "card"].map(colour);
  return {
    ink, soft, line, card, original: colour("original"), planted: colour("planted"), other: colour("other"),
    colours: Array.from({ length: COLOURS }, (_, i) => colour(`c${i}`)),
    tooltip: {
      renderMode: "richText", confine: true, backgroundColor: card, borderColor: line, textStyle: { color: ink, fontSize: 12 },
    },
    base: (description) => ({
      animation: false, textStyle: { fontFamily: getComputedStyle(document.body).fontFamily, color: ink },
      aria: { enabled: true, label: { description } },
    }),
    axis: (name, more) => ({
      name: safe(name), nameLocation: "middle", nameGap: 30, nameTextStyle: { color: soft, fontSize: 12 },
      axisLabel: { color: soft, fontSize: 11 }, axisLine: { show: true, onZero: false, lineStyle: { color: line } },
      splitLine: { lineStyle: { color: line, opacity: 0.6 } }, ...more,
    }),
    // Above the chart, in as many rows as the names need, about.
    legend: (names) => {
      const shown = names.map((name) => (name.length > 36 ? `${name.slice(0, 35)}…` : name));
      const rows = shown.reduce(([row, x], name) => {
        const needed = 45 + 6.8 * name.length;
        return x && x + needed > width ? [row + 1, needed] : [row, x + needed];
      }, [1, 0])[0];
      return {
        top: 26 + 18 * rows,
        legend: {
          top: 0, left: 0, itemWidth: 20, itemHeight: 9, itemGap: 10, textStyle: { color: ink, fontSize: 12 }, data: names,
          formatter: (name) => safe(shown[names.indexOf(name)]),
        },
      };
    },
  };
};

const charts = [];
const near = new IntersectionObserver((entries) => {
  for (const entry of entries) if (entry.isIntersecting) entry.target.restorChart.start();
}, { rootMargin: "400px" });

// A chart in a box: `option` makes what ECharts is told from the colours of the page.
const chart = (box, option, events = {}) => {
  let made = null;
  const draw = () => {
    if (made) made.setOption(option(styles(box.clientWidth)), { notMerge: true });
  };
  const start = () => {
    if (made || !globalThis.echarts) return;
    near.unobserve(box);
    made = globalThis.echarts.init(box, null, { renderer: "svg" });
    for (const [name, act] of Object.entries(events)) made.on(name, act);
    draw();
    new ResizeObserver(() => {
      made.resize();
      draw();
    }).observe(box);
  };
  box.restorChart = { start, draw, size: (width) => made?.resize(width ? { width } : {}) };
  charts.push(box.restorChart);
  restyled.push(draw);
  near.observe(box);
  return box.restorChart;
};
const PAPER = 660;
addEventListener("beforeprint", () => {
  for (const one of charts) {
    one.start();
    one.size(PAPER);
  }
});
addEventListener("afterprint", () => {
  for (const one of charts) one.size();
});

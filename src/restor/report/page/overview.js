// Tables of arms sort within each section, so that controls stay apart; what is undefined goes last.
const sortable = (table) => {
  for (const button of table.querySelectorAll("thead button")) {
    button.disabled = false;
    button.addEventListener("click", () => {
      const heading = button.closest("th");
      const numeric = button.dataset.sorts === "number";
      const now = heading.getAttribute("aria-sort");
      const descending = now ? now === "ascending" : heading.classList.contains("right");
      for (const other of table.querySelectorAll("[aria-sort]")) other.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
      for (const body of table.tBodies) {
        const rows = [...body.querySelectorAll("tr.arm")].map((row) => [row.cells[heading.cellIndex].dataset.sort, row]);
        rows.sort(([a], [b]) => {
          if (a === "" || b === "") return (a === "") - (b === "");
          const order = numeric ? Number(a) - Number(b) : a < b ? -1 : a > b ? 1 : 0;
          return descending ? -order : order;
        });
        for (const [, row] of rows) body.append(row);
      }
    });
  }
};
for (const id of ["overview", "arms-table"]) sortable($(id));

const startOverview = () => {
  const rows = [...$("overview").querySelectorAll("tr.arm")];
  const bodies = [...$("overview").tBodies];
  choose($("o-kind"), [["", "all"], ...bodies.map((body) => [body.dataset.kind, body.dataset.title.split(" (")[0]])]);
  const retains = distinct(rows.map((row) => row.dataset.retain));
  choose($("o-retain"), [["", "all"], ...retains.map((name) => [`=${name}`, name || "none"])]);
  $("o-retain").parentElement.hidden = retains.length < 2;
  const verdicts = distinct(rows.map((row) => row.dataset.verdict)).filter(Boolean);
  choose($("o-verdict"), anyOf(verdicts));
  $("o-verdict-label").hidden = verdicts.length < 2;
  // On a phone a table of many arms is screens long: the first ones of methods and controls, until all are asked for.
  const all = $("o-all");
  all.textContent = `Show all ${rows.length} rows`;
  all.hidden = rows.length < 8;
  $("arms").classList.toggle("folded", !all.hidden);
  all.addEventListener("click", () => {
    $("arms").classList.remove("folded");
    all.hidden = true;
  });
  $("words")?.toggleAttribute("open", !matchMedia("(max-width: 540px)").matches);
  const filter = () => {
    const wanted = $("o-text").value.trim().toLowerCase();
    const [kind, retain, verdict] = ["kind", "retain", "verdict"].map((name) => $(`o-${name}`).value);
    let left = 0;
    for (const body of bodies) {
      let shown = 0;
      for (const row of body.querySelectorAll("tr.arm")) {
        const fits = (!kind || body.dataset.kind === kind) && (!retain || `=${row.dataset.retain}` === retain) &&
          (!verdict || row.dataset.verdict === verdict) && row.cells[0].dataset.sort.includes(wanted);
        row.hidden = !fits;
        shown += fits;
      }
      body.hidden = !shown;
      left += shown;
    }
    $("o-count").textContent = left < rows.length ? `${left} of ${rows.length}` : "";
  };
  $("o-filters").addEventListener("submit", (event) => event.preventDefault());
  $("o-filters").addEventListener("input", filter);
  $("o-filters").hidden = rows.length < 6;
};
startOverview();

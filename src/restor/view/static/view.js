"use strict";
(() => {
  const $ = (id) => document.getElementById(id);

  // Theme
  const theme = $("theme");
  const root = document.documentElement;
  const stored = (storage, key) => { try { return storage.getItem(key); } catch { return null; } };
  const store = (storage, key, value) => { try { storage.setItem(key, value); } catch { /* private windows */ } };
  const isDark = () => root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  const nameTheme = () => { theme.textContent = isDark() ? "Light" : "Dark"; };
  const wanted = stored(localStorage, "restor-theme");
  if (wanted === "dark" || wanted === "light") root.dataset.theme = wanted;
  theme.hidden = false;
  nameTheme();
  theme.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    store(localStorage, "restor-theme", root.dataset.theme);
    nameTheme();
  });

  // A page of this server as a document that runs nothing: the server has escaped every text.
  const fetched = async (address) => {
    const answer = await fetch(address, { headers: { accept: "text/html" } });
    if (!answer.ok) throw new Error(String(answer.status));
    return new DOMParser().parseFromString(await answer.text(), "text/html");
  };
  const swap = (page, id) => {
    const made = page.getElementById(id);
    if (made && $(id)) $(id).replaceWith(document.adoptNode(made));
  };

  // The chosen arms, kept while the tab lives
  const KEY = "restor-arms";
  const read = () => {
    try { return JSON.parse(stored(sessionStorage, KEY) || "[]").filter((arm) => typeof arm === "string"); } catch { return []; }
  };
  let chosen = location.pathname === "/compare" ? new URLSearchParams(location.search).getAll("arms") : read();
  const showBasket = () => {
    store(sessionStorage, KEY, JSON.stringify(chosen));
    const studies = new Set(chosen.map((arm) => arm.split("/")[0])).size;
    $("basket").hidden = !chosen.length || location.pathname === "/compare";
    $("basket-text").textContent = `${chosen.length} ${chosen.length === 1 ? "arm" : "arms"} of ${studies} ${studies === 1 ? "study" : "studies"}`;
    $("basket-go").href = `/compare?${new URLSearchParams(chosen.map((arm) => ["arms", arm]))}`;
    for (const box of document.querySelectorAll(".choose input")) box.checked = chosen.includes(box.value);
  };
  const choose = (boxes, ticked) => {
    const values = boxes.map((box) => box.value);
    chosen = chosen.filter((arm) => !values.includes(arm));
    if (ticked) chosen.push(...values);
    showBasket();
  };
  $("basket-clear").addEventListener("click", () => { chosen = []; showBasket(); });
  document.addEventListener("change", (event) => {
    if (event.target.closest(".choose input")) choose([event.target], event.target.checked);
  });
  const showButtons = () => {
    for (const button of document.querySelectorAll(".choose .all, .choose .none")) button.hidden = false;
  };
  addEventListener("pageshow", (event) => { if (event.persisted) { chosen = location.pathname === "/compare" ? chosen : read(); showBasket(); } });
  showButtons();
  showBasket();

  // The list: filter while typing, sort and turn pages without losing what is typed
  const filter = $("filter");
  let latest = 0;
  const show = async (address, push) => {
    const mine = ++latest;
    try {
      const page = await fetched(address);
      if (mine !== latest) return;
      swap(page, "studies");
      swap(page, "running");
      if (push) history.pushState(null, "", address);
      else history.replaceState(null, "", address);
    } catch { /* the next poll tries again */ }
  };
  if (filter) {
    let timer = 0;
    const asked = () => {
      const told = [...new FormData(filter)].filter(([, value]) => value);
      return `/?${new URLSearchParams(told)}`;
    };
    filter.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(() => show(asked(), false), 150); });
    filter.addEventListener("submit", (event) => { event.preventDefault(); show(asked(), true); });
    addEventListener("popstate", () => location.reload());
  }
  const expand = async (link) => {
    const row = link.closest("tr");
    if (row.nextElementSibling?.classList.contains("inline")) {
      row.nextElementSibling.remove();
      link.setAttribute("aria-expanded", "false");
      return;
    }
    const form = (await fetched(link.href)).querySelector(".choose");
    if (!form) { location.assign(link.href); return; }
    const made = document.createElement("tr");
    made.className = "inline";
    made.append(document.createElement("td"));
    made.firstChild.colSpan = row.cells.length;
    made.firstChild.append(document.adoptNode(form));
    row.after(made);
    link.setAttribute("aria-expanded", "true");
    showButtons();
    showBasket();
  };
  document.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    const link = event.target.closest("a.sort, a.page, a.arms");
    const button = event.target.closest(".choose .all, .choose .none");
    if (button) {
      choose([...button.closest(".choose").querySelectorAll("input")], button.classList.contains("all"));
    } else if (link?.classList.contains("arms")) {
      event.preventDefault();
      expand(link).catch(() => location.assign(link.href));
    } else if (link && filter) {
      event.preventDefault();
      const asked = new URL(link.href);
      for (const name of ["sort", "reverse"]) {
        filter.querySelector(`[name=${name}]`)?.remove();
        if (!asked.searchParams.get(name)) continue;
        const hidden = document.createElement("input");
        Object.assign(hidden, { type: "hidden", name, value: asked.searchParams.get(name) });
        filter.append(hidden);
      }
      show(asked.pathname + asked.search, true);
    }
  });

  // What runs: asked for every two seconds while somebody looks, sooner while results are still being read
  const running = () => $("running");
  if (running()) {
    const only = document.querySelector("main").dataset.study;
    const poll = async () => {
      let pause = 2000;
      if (document.visibilityState === "visible") {
        try {
          const former = running().dataset.version;
          const page = await fetched(only ? `/running?study=${encodeURIComponent(only)}` : "/running");
          swap(page, "running");
          const changed = running().dataset.version !== former;
          if (filter && changed && !document.querySelector(".inline")) await show(location.pathname + location.search, false);
          if (only && changed) location.reload();
          if (Number(running().dataset.waiting)) pause = 50;
          $("lost").hidden = true;
        } catch {
          $("lost").hidden = false;
          pause = 5000;
        }
      }
      setTimeout(poll, pause);
    };
    setTimeout(poll, Number(running().dataset.waiting) ? 50 : 2000);
  }
})();

// The floor: single rows at once, the summary at most once a second; rows are re-sorted only while nobody points at them.
"use strict";
(() => {
  const { $ } = ui;
  const changed = new Set();
  let rowsTimer, viewTimer, viewAt = 0, order = localStorage.getItem("floor-order") || "state", arrangedAt = 0;

  ui.onNews = (news) => {
    if (news.agent_id) {
      const row = $(`agent-${news.agent_id}`);
      if (news.v && row && row.dataset.v.endsWith(`:${news.v.split(":").slice(0, 4).join(":")}`)) return;
      changed.add(news.agent_id);
      rowsTimer ??= setTimeout(rows, 250);
    }
    viewTimer ??= setTimeout(view, Math.max(250, 1000 - (Date.now() - viewAt)));
  };
  ui.onBack = view;

  async function rows() {
    rowsTimer = undefined;
    const ids = [...changed].slice(0, 100);
    changed.clear();
    try {
      const fresh = ui.parse(await ui.fetch(`/floor/agents?${new URLSearchParams(ids.map((id) => ["id", id]))}`));
      place([...fresh.querySelectorAll("tr[id]")], false);
    } catch { ids.forEach((id) => changed.add(id)); }
  }
  async function view() {
    clearTimeout(viewTimer);
    viewTimer = undefined;
    viewAt = Date.now();
    try {
      const fresh = ui.parse(await ui.fetch("/floor/view"));
      for (const id of ["floor-top", "camps", "rail", "agents-count"]) ui.morph($(id), fresh.getElementById(id));
      if (!$("agents-0") || !fresh.getElementById("agents-0")) ui.morph($("agents"), fresh.getElementById("agents"));
      else place([...fresh.querySelectorAll("#agents tr[id]")], true);
    } catch { /* the banner tells */ }
  }
  function place(fresh, all) {
    const few = fresh.filter((row) => $(row.id)?.dataset.v !== row.dataset.v).length <= 5;
    for (const row of fresh) {
      const old = $(row.id);
      if (!old) { if (all) $("agents-0").append(row); continue; }
      if (old.dataset.v === row.dataset.v) continue;
      ui.morph(old, row);
      if (few) { const now = $(row.id); now.classList.remove("fresh"); void now.offsetWidth; now.classList.add("fresh"); }
    }
    if (all) {
      const present = new Set(fresh.map((row) => row.id));
      for (const row of document.querySelectorAll("#agents tr[id]"))
        if (!present.has(row.id)) { row.classList.add("leaving"); setTimeout(() => row.remove(), 3000); }
    }
    arrange();
  }
  function arrange(now = false) {
    const box = $("agents");
    if (!$("agents-0") || (!now && (Date.now() - arrangedAt < 5000 || box.matches(":hover, :focus-within")))) return;
    arrangedAt = Date.now();
    const list = [...box.querySelectorAll("tr[id]")];
    const by = order === "name" ? () => 0 : (a, b) => a.dataset.order - b.dataset.order;
    const sorted = [...list].sort((a, b) => by(a, b) || a.dataset.name.localeCompare(b.dataset.name, "uk"));
    const half = Math.ceil(sorted.length / 2);
    sorted.forEach((row, i) => {
      const body = $(i < half ? "agents-0" : "agents-1"), at = i < half ? i : i - half;
      if (body.children[at] !== row) body.insertBefore(row, body.children[at] || null);
    });
  }
  function showOrder() {
    for (const button of document.querySelectorAll("[data-sort]")) button.setAttribute("aria-pressed", String(button.dataset.sort === order));
  }
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-sort]");
    if (!button) return;
    order = button.dataset.sort;
    localStorage.setItem("floor-order", order);
    showOrder();
    arrange(true);
  });
  document.addEventListener("relabelled", () => { showOrder(); arrange(true); });
  document.addEventListener("htmx:afterSettle", () => { showOrder(); });
  setInterval(arrange, 1000);
  showOrder();
  arrange(true);
})();

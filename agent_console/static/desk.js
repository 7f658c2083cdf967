// The agent's desk: fetches the view when the websocket says that something changed, keeps the draft of the note,
// shows the next step of a chosen result, obeys the keys. One tab holds the desk; another one says so.
"use strict";
(() => {
  const { $ } = ui;
  const view = () => $("desk-view");

  // --- refreshing: one request at a time, the last wish wins, and nothing older than what stands here -----------
  let busy = false, again = false;
  let sending = 0, swaps = 0, overtaken = false;  // what the agent sends brings a view too: the two may overtake each other
  async function refresh() {
    if (busy) { again = true; return; }
    busy = true;
    try {
      const before = view().dataset.callId, seen = swaps;
      const fresh = ui.parse(await ui.fetch("/desk/view")).getElementById("desk-view");
      if (seen === swaps) {
        keepRefused(fresh);
        ui.morph(view(), fresh);
        choose();
        overtaken = sending > 0;
        const now = view().dataset;
        if (now.callId && now.callId !== before) { ui.tell({ shown: now.callId }); popped(now); }
      } else again = true;
    } catch { /* the offline banner tells; the next news tries again */ }
    busy = false;
    if (again) { again = false; refresh(); }
  }
  const ofDesk = (event) => event.detail.target && event.detail.target.id === "desk-view";
  document.addEventListener("htmx:beforeSend", (event) => { if (ofDesk(event)) sending += 1; });
  document.addEventListener("htmx:beforeSwap", (event) => { if (ofDesk(event)) swaps += 1; });
  document.addEventListener("htmx:afterRequest", (event) => {
    if (!ofDesk(event)) return;
    sending -= 1;
    if (overtaken && !sending) { overtaken = false; refresh(); }
  });
  function keepRefused(fresh) {  // what was refused stays as it was typed, with its message, until it is sent again
    const mine = $("pane-result"), theirs = fresh.querySelector("#pane-result");
    const same = view().dataset.callId === fresh.dataset.callId;
    if (mine && theirs && same && mine.querySelector("[aria-invalid=true], [role=alert]")) theirs.dataset.v = mine.dataset.v;
  }
  function popped(now) {
    ui.say(`${document.querySelector("#bar-state b").textContent}, ${now.name}`, true);
    if (!ui.typing()) $("pane-talk").focus({ preventScroll: true });
  }
  ui.onNews = (news) => {
    if (news.kind === "agent" && news.v !== undefined && view().dataset.version.endsWith(`:${news.v}`) && news.v) return;
    if (["screen_pop", "agent", "call", "stop"].includes(news.kind)) refresh();
  };
  ui.onBack = refresh;
  ui.refreshDesk = refresh;

  // --- the note: saved while it is typed, kept here while the server is away -------------------------------------
  let noteTimer;
  const local = (call) => `note:${call}`;
  document.addEventListener("input", (event) => {
    if (event.target.id !== "note") return;
    const note = event.target;
    localStorage.setItem(local(note.dataset.call), note.value);
    $("draft").textContent = $("draft").dataset.local;
    clearTimeout(noteTimer);
    noteTimer = setTimeout(() => saveNote(note), 700);
  });
  async function saveNote(note) {
    try {
      const answer = await ui.post("/desk/note", { call_id: note.dataset.call, note: note.value });
      if (answer.ok) {
        localStorage.removeItem(local(note.dataset.call));
        if ($("draft")) $("draft").textContent = `${$("draft").dataset.saved} ${$("clock").textContent}`;
      }
    } catch { noteTimer = setTimeout(() => document.body.contains(note) && saveNote(note), 3000); }
  }
  function restoreNote() {
    const note = $("note"), kept = note && localStorage.getItem(local(note.dataset.call));
    if (kept && kept !== note.value) { note.value = kept; saveNote(note); }
  }
  document.addEventListener("htmx:afterSwap", restoreNote);

  // --- results: fields of the chosen one, and what comes next -----------------------------------------------------
  const chosen = () => document.querySelector("#result-form input[name=outcome]:checked");
  function choose() {
    for (const set of document.querySelectorAll("#result-form .fields"))
      set.disabled = !set.previousElementSibling.querySelector("input").checked;
    nextStep();
  }
  let nextTimer;
  function nextStep() {
    clearTimeout(nextTimer);
    nextTimer = setTimeout(async () => {
      const form = $("result-form");
      if (!form || !$("next-step") || !chosen()) return;
      const query = new URLSearchParams([...new FormData(form)].filter(([name]) => name !== "note"));
      try {
        const fresh = ui.parse(await ui.fetch(`/desk/next?${query}`)).getElementById("next-step");
        if (fresh && $("next-step")) $("next-step").replaceWith(fresh);
      } catch { /* the line stays as it was */ }
    }, 150);
  }
  document.addEventListener("change", (event) => {
    if (event.target.name === "outcome") {
      choose();
      const first = event.target.closest(".opt").nextElementSibling;
      if (first && first.matches(".fields")) first.querySelector("input").focus();
    } else if (event.target.closest("#result-form .fields")) nextStep();
  });
  document.addEventListener("htmx:afterSettle", () => { choose(); focusError(); });
  function focusError() {
    const wrong = document.querySelector("#result-form [aria-invalid=true]");
    if (wrong && !wrong.dataset.shown) { wrong.dataset.shown = "1"; wrong.focus(); }
  }

  // --- tabs ----------------------------------------------------------------------------------------------------------
  function tab(name) {
    const button = $(`tab-${name}`);
    if (!button) return;
    for (const one of button.parentElement.children) {
      one.setAttribute("aria-selected", String(one === button));
      $(one.getAttribute("aria-controls")).hidden = one !== button;
    }
  }
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[role=tab]");
    if (button) tab(button.id.replace("tab-", ""));
    else if (event.target.closest("a.brand[aria-disabled]")) event.preventDefault();
  });

  // --- keys ------------------------------------------------------------------------------------------------------------
  const press = (act) => {
    const button = document.querySelector(`[data-act="${act}"]`);
    if (button && !button.disabled) button.click();
  };
  document.addEventListener("keydown", (event) => {
    const key = event.code;
    if (document.querySelector("dialog[open]")) return;
    if (["F2", "F3", "F4", "F6", "F9"].includes(key) && !event.ctrlKey && !event.altKey) {
      event.preventDefault();
      if (event.repeat) return;
      if (key === "F3") press("card");
      else if (key === "F6") chooseSkip();
      else if (key === "F2") press(document.querySelector('[data-act="ready"]') ? "ready" : "pause");
      else press(key === "F4" ? "mute" : "hangup");
      return;
    }
    if (key === "Enter" && event.ctrlKey) { event.preventDefault(); if (!event.repeat) press("save"); return; }
    if (key.endsWith("Enter") && event.target.matches("#result-form input")) { event.preventDefault(); return; }  // a result is saved on purpose
    if (event.ctrlKey || event.altKey || event.metaKey || ui.typing()) return;
    if (key === "KeyS") tab("script");
    else if (key === "KeyH") tab("history");
    else if (key === "KeyM") press("was-machine");
    else if (key === "KeyP") press("was-person");
    else if (key === "KeyR") press("notice");
    else if (key === "NumpadAdd" || (key === "Equal" && event.shiftKey)) press("more");
    else if (key === "KeyN" && $("note")) { event.preventDefault(); $("note").focus(); }
    else if (key === "KeyO" && $("pane-result")) document.querySelector("#result-form input[name=outcome]")?.focus();
    else if (/^(Digit|Numpad)\d$/.test(key)) { event.preventDefault(); digit(key.slice(-1)); }
  });
  function chooseSkip() {
    const menu = $("skip-menu");
    if (!menu) return;
    if (!menu.matches(":popover-open")) menu.showPopover();
    menu.querySelector("button").focus();
  }
  let pane = "";  // where the hand was last; Esc leaves a field to its pane
  document.addEventListener("focusin", (event) => { pane = event.target.closest(".panel")?.id || ""; });
  function digit(n) {
    const skip = document.querySelector(`#skip-menu:popover-open [data-skip="${n}"]`);
    if (skip) { skip.click(); return; }
    const nowhere = document.activeElement === document.body;
    const inTalk = $("pane-talk") && ($("pane-talk").contains(document.activeElement) || (nowhere && pane === "pane-talk"));
    const field = inTalk && document.querySelector(`#pane-talk [data-row="${n}"]:not([disabled])`);
    if (field) { field.focus(); if (field.matches("button")) field.click(); return; }  // at once: the next key is already this field's
    if (n === "0" && $("more-results")) { $("more-results").open = !$("more-results").open; return; }
    const radio = document.querySelector(`#result-form [data-digit="${n}"]`);
    if (radio) { radio.checked = true; radio.dispatchEvent(new Event("change", { bubbles: true })); radio.focus(); }
  }

  // --- one tab holds the desk ----------------------------------------------------------------------------------------
  ui.holdsDesk = new Promise((resolve) => {
    const other = $("other-tab");
    const hold = (options) => navigator.locks.request("backoffice-desk", options, (lock) => {
      if (!lock) { other.showModal(); return undefined; }
      if (other.open) other.close();
      resolve(true);
      return new Promise(() => {});
    }).catch((error) => {
      if (error.name !== "AbortError") throw error;
      document.dispatchEvent(new CustomEvent("desk-taken"));  // another tab took the desk over
      other.showModal();
    });
    other.addEventListener("cancel", (event) => event.preventDefault());
    if (!navigator.locks) { resolve(true); return; }  // plain http from another machine: no locks there, and no microphone
    $("take-over").addEventListener("click", () => hold({ steal: true }));
    hold({ ifAvailable: true });
  });

  window.addEventListener("beforeunload", (event) => {
    if (["RESERVED", "TALKING"].includes(view().dataset.state)) event.preventDefault();
  });
  document.addEventListener("relabelled", () => { swaps += 1; choose(); restoreNote(); });
  document.addEventListener("ticked", choose);
  choose();
  restoreNote();
})();

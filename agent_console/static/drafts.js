// Forms with text lose nothing: what is typed is kept in this browser, by person, form and page, until it is saved.
// It is put back after a login, a restart of the console or another language; a logout clears it, and so does the next person.
// Every form that posts has it; one with data-nodraft (what a borrower proves himself with) or a password has not.
"use strict";
(() => {
  const { $, words } = ui;
  if (!$("app")) return;
  const PREFIX = "draft:", mine = `${PREFIX}${$("app").dataset.user}:`, KEPT_MS = 12 * 3600 * 1000; // as long as a login
  const TYPED = "textarea, input:not([type]), input[type=text], input[type=number], input[type=date], input[type=tel], input[type=email]";
  const names = () => Object.keys(localStorage).filter((name) => name.startsWith(PREFIX));
  const way = (form) => form.getAttribute("hx-post") || (form.getAttribute("method") === "post" ? form.getAttribute("action") : "");
  const drafted = (form) => Boolean(way(form)) && form.dataset.nodraft === undefined && !form.querySelector("input[type=password]")
    && [...form.elements].some((field) => field.matches(TYPED));
  const forms = () => [...document.forms].filter(drafted);
  const hidden = (form) => [...form.elements].filter((one) => one.type === "hidden" && one.name !== "csrf").map((one) => `:${one.value}`);
  const key = (form) => mine + (form.dataset.draft || way(form).split("?")[0] + hidden(form).join(""));
  const kept = (form, name) => {
    const field = form.elements[name];
    return name !== "csrf" && !(field && field.dataset && field.dataset.nodraft !== undefined);
  };
  const bare = (form, name, value) => (form.elements[name]?.inputMode === "url" ? value.split("?")[0] : value); // a key may stand behind it
  const fields = (form) => [...new FormData(form)].filter(([name, value]) => typeof value === "string" && kept(form, name))
    .map(([name, value]) => [name, bare(form, name, value)]);
  const read = (form) => { try { return JSON.parse(localStorage.getItem(key(form))); } catch { return null; } };

  for (const name of names()) {
    let at = 0;
    try { at = JSON.parse(localStorage.getItem(name)).at; } catch { /* not ours: it goes */ }
    if (!name.startsWith(mine) || Date.now() - at > KEPT_MS) localStorage.removeItem(name);
  }
  const clear = () => names().forEach((name) => localStorage.removeItem(name));

  // --- keeping ------------------------------------------------------------------------------------------------
  const first = new WeakMap(); // what the server sent: that alone is no draft
  const remember = () => { for (const form of forms()) first.set(form, JSON.stringify(fields(form))); };
  const said = (typed, name) => typed.filter(([one]) => one === name).map(([, value]) => value);
  const differing = (one, other) => [...new Set([...one, ...other].map(([name]) => name))]
    .filter((name) => JSON.stringify(said(one, name)) !== JSON.stringify(said(other, name)));
  const keep = (form) => { // only what was changed: another's change of the other fields is not undone by a draft
    const now = fields(form), changed = differing(now, JSON.parse(first.get(form) || "[]"));
    const draft = { at: Date.now(), names: changed, typed: now.filter(([name]) => changed.includes(name)) };
    if (!changed.length) localStorage.removeItem(key(form));
    else try { localStorage.setItem(key(form), JSON.stringify(draft)); } catch { /* full: nothing to be done */ }
  };
  for (const kind of ["input", "change"]) document.addEventListener(kind, (event) => {
    const { form } = event.target;
    if (form && drafted(form)) keep(form);
  });

  // --- putting back -------------------------------------------------------------------------------------------
  function put(form, typed, of) { // `of`: names of the fields
    const some = [...form.elements].filter((field) => of.includes(field.name) && !["hidden", "file"].includes(field.type) && kept(form, field.name));
    const ticks = some.filter((field) => field.type === "checkbox" || field.type === "radio");
    for (const field of ticks) field.checked = said(typed, field.name).includes(field.value);
    if (ticks.length) document.dispatchEvent(new CustomEvent("ticked")); // fields that belong to what is ticked open
    for (const field of some)
      if (!ticks.includes(field) && !field.matches(":disabled") && said(typed, field.name).length) [field.value] = said(typed, field.name);
  }
  const told = new Map(); // forms that say that they were restored
  function note(form, at) {
    const line = document.createElement("p"), button = document.createElement("button");
    told.set(key(form), at);
    line.className = "hint row between draft-note";
    line.setAttribute("role", "status");
    line.append(words().draftRestored.replace("$", new Date(at).toLocaleTimeString("uk", { hour: "2-digit", minute: "2-digit" })), button);
    button.type = "button";
    button.className = "btn ghost sm";
    button.textContent = words().draftDiscard;
    button.addEventListener("click", () => {
      localStorage.removeItem(key(form));
      told.delete(key(form));
      const before = JSON.parse(first.get(form));
      put(form, before, differing(before, fields(form)));
      line.remove();
    });
    (form.querySelector("fieldset.body, .body") || form).prepend(line);
  }
  function restore(telling) {
    for (const form of forms()) {
      const draft = read(form);
      if (!draft || form.querySelector("[aria-invalid], .hint.err") || form.querySelector("fieldset[disabled].body")) continue;
      const here = fields(form).filter(([name]) => draft.names?.includes(name));
      if (!draft.names || !differing(draft.typed, here).length) continue;
      put(form, draft.typed, draft.names);
      if (form.closest("details")) form.closest("details").open = true;
      if (telling) {
        form.closest("[popover]:not(:popover-open)")?.showPopover();
        const dialog = form.closest("dialog");
        if (dialog && !dialog.open) dialog.showModal();
      }
      if (telling || told.has(key(form))) note(form, draft.at);
    }
  }

  // --- sending: the page stays until the answer is there --------------------------------------------------------
  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (!(form instanceof HTMLFormElement) || form.hasAttribute("hx-post") || !drafted(form) || event.defaultPrevented) return;
    event.preventDefault();
    if (form.dataset.sending) return;
    form.dataset.sending = "1";
    keep(form);
    const sent = new FormData(form, event.submitter), name = key(form);
    const body = form.getAttribute("enctype") === "multipart/form-data" ? sent : new URLSearchParams(sent);
    const action = event.submitter?.getAttribute("formaction") || form.getAttribute("action");
    try {
      const answer = await fetch(action, { method: "POST", body, credentials: "same-origin", headers: { "HX-Request": "true" } });
      if (answer.status === 401) location.href = ui.login();
      else if (answer.ok && answer.redirected) {
        localStorage.removeItem(name);
        location.href = answer.url;
      } else {
        const saved = answer.ok && event.submitter?.dataset.asks === undefined; // a button with data-asks saves nothing
        if (saved) {
          localStorage.removeItem(name);
          history.replaceState(null, "", answer.url); // what it showed is of no page that stands there
        }
        const toast = answer.headers.get("HX-Trigger"), text = await answer.text();
        if (toast) ui.toast(JSON.parse(toast).toast.text, "crit");
        else if (text) shown(ui.parse(text), saved ? "" : name, [...sent].filter(([, value]) => typeof value === "string"));
        else ui.toast(words().notSent, "crit");
      }
    } catch { ui.toast(words().notSent, "crit"); }
    delete form.dataset.sending;
  });
  function shown(fresh, name, typed) { // the page that came: with the fault of the form `name`, or what was asked for
    const app = fresh.getElementById("app");
    if (!app) return ui.toast(words().failed, "crit");
    for (const one of document.querySelectorAll("[popover]:popover-open")) one.hidePopover(); // an open one is left as it is
    document.title = fresh.title;
    ui.morph($("app"), app);
    const form = name && forms().find((one) => key(one) === name);
    if (form) put(form, typed, [...form.elements].map((field) => field.name).filter(Boolean));
    const wrong = document.querySelector("[aria-invalid]");
    (wrong || form)?.closest("[popover]")?.showPopover();
    wrong?.focus();
  }

  document.addEventListener("htmx:beforeOnLoad", (event) => { // before it leads away
    const { xhr, pathInfo, elt } = event.detail, form = elt.closest("form");
    if (pathInfo?.requestPath === "/logout" && xhr.status === 200) clear();
    else if (form && drafted(form) && xhr.status < 300) localStorage.removeItem(key(form));
  });
  document.addEventListener("relabelled", () => { remember(); restore(false); });
  document.addEventListener("DOMContentLoaded", () => { remember(); restore(true); }); // after the page's own scripts
})();

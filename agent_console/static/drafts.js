// Forms with data-draft lose nothing: what is typed is kept in this browser, by person, form and page, until it is saved.
// It is put back after a login, a restart of the console or another language; a logout clears it, and so does the next person.
"use strict";
(() => {
  const { $, words } = ui;
  if (!$("app")) return;
  const PREFIX = "draft:", mine = `${PREFIX}${$("app").dataset.user}:`, KEPT_MS = 12 * 3600 * 1000; // as long as a login
  const names = () => Object.keys(localStorage).filter((name) => name.startsWith(PREFIX));
  const key = (form) => mine + form.dataset.draft;
  const fields = (form) => [...new FormData(form)].filter(([name, value]) => name !== "csrf" && typeof value === "string");
  const read = (form) => { try { return JSON.parse(localStorage.getItem(key(form))); } catch { return null; } };

  for (const name of names()) {
    let at = 0;
    try { at = JSON.parse(localStorage.getItem(name)).at; } catch { /* not ours: it goes */ }
    if (!name.startsWith(mine) || Date.now() - at > KEPT_MS) localStorage.removeItem(name);
  }
  const clear = () => names().forEach((name) => localStorage.removeItem(name));

  // --- keeping ------------------------------------------------------------------------------------------------
  const first = new WeakMap(); // what the server sent: that alone is no draft
  const remember = () => { for (const form of document.querySelectorAll("form[data-draft]")) first.set(form, JSON.stringify(fields(form))); };
  const keep = (form) => {
    const typed = fields(form);
    if (JSON.stringify(typed) === first.get(form)) localStorage.removeItem(key(form));
    else try { localStorage.setItem(key(form), JSON.stringify({ at: Date.now(), typed })); } catch { /* full: nothing to be done */ }
  };
  for (const kind of ["input", "change"]) document.addEventListener(kind, (event) => {
    const form = event.target.form;
    if (form && form.dataset.draft) keep(form);
  });

  // --- putting back -------------------------------------------------------------------------------------------
  function put(form, typed) {
    const said = (name) => typed.filter(([one]) => one === name).map(([, value]) => value);
    for (const field of form.elements) {
      if (!field.name || field.type === "hidden" || field.name === "csrf") continue;
      if (field.type === "checkbox" || field.type === "radio") field.checked = said(field.name).includes(field.value);
      else if (said(field.name).length) field.value = said(field.name)[0];
    }
  }
  function note(form, at) {
    const line = document.createElement("p"), button = document.createElement("button");
    line.className = "hint row between draft-note";
    line.setAttribute("role", "status");
    line.append(words().draftRestored.replace("$", new Date(at).toLocaleTimeString("uk", { hour: "2-digit", minute: "2-digit" })), button);
    button.type = "button";
    button.className = "btn ghost sm";
    button.textContent = words().draftDiscard;
    button.addEventListener("click", () => {
      localStorage.removeItem(key(form));
      put(form, JSON.parse(first.get(form)));
      line.remove();
    });
    (form.querySelector("fieldset.body, .body") || form).prepend(line);
  }
  function restore(telling) {
    for (const form of document.querySelectorAll("form[data-draft]")) {
      const draft = read(form);
      if (!draft || form.querySelector("[aria-invalid], .hint.err") || form.querySelector("fieldset[disabled].body")) continue;
      if (JSON.stringify(draft.typed) === JSON.stringify(fields(form))) continue;
      put(form, draft.typed);
      if (form.closest("details")) form.closest("details").open = true;
      if (telling && form.closest("[popover]")?.showPopover) form.closest("[popover]").showPopover();
      if (telling) note(form, draft.at);
    }
  }

  // --- sending: the page stays until the answer is there --------------------------------------------------------
  document.addEventListener("submit", async (event) => {
    const form = event.target.closest("form[data-draft]");
    if (!form || event.defaultPrevented) return;
    event.preventDefault();
    if (form.dataset.sending) return;
    form.dataset.sending = "1";
    keep(form);
    const body = new URLSearchParams(new FormData(form, event.submitter));
    const action = event.submitter?.getAttribute("formaction") || form.getAttribute("action");
    try {
      const answer = await fetch(action, { method: "POST", body, credentials: "same-origin", headers: { "HX-Request": "true" } });
      const back = `/login?expired=1&next=${encodeURIComponent(location.pathname + location.search)}`;
      if (answer.status === 401) location.href = back;
      else if (answer.ok) {
        localStorage.removeItem(key(form));
        location.href = answer.url;
      } else {
        const told = answer.headers.get("HX-Trigger"), text = await answer.text();
        if (told) ui.toast(JSON.parse(told).toast.text, "crit");
        else if (text) shown(ui.parse(text));
        else ui.toast(words().notSent, "crit");
      }
    } catch { ui.toast(words().notSent, "crit"); }
    delete form.dataset.sending;
  });
  function shown(fresh) { // the form again, with its fault
    const app = fresh.getElementById("app");
    if (!app) return ui.toast(words().failed, "crit");
    document.title = fresh.title;
    ui.morph($("app"), app);
    document.querySelector("[aria-invalid]")?.focus();
  }

  document.addEventListener("htmx:beforeOnLoad", (event) => { // before it leads away
    if (event.detail.pathInfo?.requestPath === "/logout" && event.detail.xhr.status === 200) clear();
  });
  document.addEventListener("relabelled", () => { remember(); restore(false); });
  remember();
  restore(true);
})();

// What every page of the console shares: CSRF header, the websocket, ticking clocks, toasts, theme, language, keys.
"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const meta = (name) => document.querySelector(`meta[name="${name}"]`).content;
  const words = () => $("words").dataset;
  const ui = (window.ui = { $, words, offset: 0, online: false, heardAt: 0, onNews: () => {}, onBack: () => {} });

  // --- requests -----------------------------------------------------------------------------------------------
  document.addEventListener("htmx:configRequest", (event) => {
    event.detail.headers["X-CSRF-Token"] = meta("csrf");
  });
  document.addEventListener("htmx:sendError", () => ui.toast(words().failed, "crit"));
  document.addEventListener("htmx:responseError", (event) => {
    if (!event.detail.xhr.getResponseHeader("HX-Trigger")) ui.toast(words().failed, "crit");
  });
  ui.login = () => `/login?expired=1&next=${encodeURIComponent(location.pathname + location.search)}`;
  ui.get = async (path, headers = {}) => {
    const answer = await fetch(path, { headers: { "HX-Request": "true", ...headers }, credentials: "same-origin" });
    if (answer.status === 401) location.href = ui.login();
    if (!answer.ok && answer.status !== 422) throw new Error(`${path}: ${answer.status}`);  // 422: a page that names the fault
    return answer;
  };
  ui.fetch = async (path) => (await ui.get(path)).text();
  ui.post = (path, data) =>
    fetch(path, { method: "POST", body: new URLSearchParams(data), credentials: "same-origin",
      headers: { "X-CSRF-Token": meta("csrf"), "HX-Request": "true" } });

  // --- morphing: what is equal, or being typed, is left alone -------------------------------------------------
  Idiomorph.defaults.callbacks.beforeNodeMorphed = (old, fresh) => {
    if (!(old instanceof Element) || !(fresh instanceof Element)) return true;
    if (old.dataset.v !== undefined && old.dataset.v === fresh.dataset.v) return false;
    if (old.dataset.keep !== undefined && old.dataset.keep === fresh.dataset.keep) {
      if (old.placeholder !== fresh.placeholder) old.placeholder = fresh.placeholder;  // another language
      return false;
    }
    if (old.id === "agents" && fresh.id === "agents" && old.tagName === "DIV" && old.className === fresh.className && ui.keepAgents) return false;
    return !(old.matches("dialog[open], [popover]:popover-open"));
  };
  const silenced = new Set();  // a button that became another one must not send what it sent before: htmx looks only at hx-*
  Idiomorph.defaults.callbacks.beforeAttributeUpdated = (name, node, change) => {
    if (change === "remove" && name === "hx-post") silenced.add(node);
    return !(name === "open" && node.matches("details[id]"));
  };
  Idiomorph.defaults.callbacks.afterNodeMorphed = (node) => { if (silenced.delete(node)) htmx.process(node); };
  ui.parse = (html) => new DOMParser().parseFromString(html, "text/html");
  ui.morph = (old, fresh) => {
    Idiomorph.morph(old, fresh, { morphStyle: "outerHTML" });
    const now = fresh.id && $(fresh.id);
    if (now) htmx.process(now);
    tick();
  };

  // --- clocks: they tick here, from the server's stamps --------------------------------------------------------
  const two = (n) => String(n).padStart(2, "0");
  const asDuration = (seconds) => {
    const s = Math.max(0, Math.floor(seconds)), m = Math.floor(s / 60);
    return m >= 60 ? `${Math.floor(m / 60)}:${two(m % 60)}:${two(s % 60)}` : `${two(m)}:${two(s % 60)}`;
  };
  const serverNow = () => Date.now() + ui.offset;
  function tick() {
    if (!$("app")) return;
    const stale = document.body.classList.contains("is-stale");
    for (const time of document.querySelectorAll("time[data-since]")) {
      if (stale && !time.closest(".call")) continue;
      const passed = (serverNow() - Number(time.dataset.since)) / 1000;
      const text = asDuration(time.dataset.down ? Number(time.dataset.down) - passed : passed);
      if (time.textContent !== text) time.textContent = text;
      if (time.dataset.limit) time.classList.toggle("over", passed > Number(time.dataset.limit));
    }
    for (const meter of document.querySelectorAll("svg.meter[data-since]")) {
      const left = 1 - (serverNow() - Number(meter.dataset.since)) / 1000 / Number(meter.dataset.limit);
      meter.querySelector(".fill").setAttribute("width", `${Math.min(100, Math.max(0, left * 100)).toFixed(1)}%`);
    }
    const app = $("app").dataset;
    $("clock").textContent = new Date(serverNow() + Number(app.shift)).toLocaleTimeString("uk", { timeZone: app.zone });
  }
  ui.tick = tick;

  // --- the websocket: kinds and ids; silence is noticed ---------------------------------------------------------
  let socket, wait = 250, lostAt = 0, openedOnce = false;
  function connect() {
    clearTimeout(connect.timer);
    if (socket) socket.onclose = socket.onmessage = null;
    socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/live`);
    socket.onmessage = (event) => {
      const news = JSON.parse(event.data);
      ui.heardAt = Date.now();
      wait = 250;
      if (news.kind === "beat") ui.offset = news.at - Date.now();
      else if (news.kind === "reread") back();
      else ui.onNews(news);
      if (!ui.online) silence();
    };
    socket.onclose = (event) => {
      if (event.code === 4401) location.href = ui.login();
      if (event.code === 4403) return;
      connect.timer = setTimeout(connect, wait * (0.8 + Math.random() * 0.4));
      wait = Math.min(wait * 2, 500); // a desk is back within a second of the console
    };
  }
  ui.tell = (message) => { if (socket && socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message)); };
  function back() {
    const away = lostAt ? Math.round((Date.now() - lostAt) / 1000) : 0;
    lostAt = 0;
    if (openedOnce) ui.onBack();
    openedOnce = true;
    if (away >= 2) ui.toast(words().restored.replace("$", away));
  }
  function silence() {
    const quiet = Date.now() - ui.heardAt;
    const on = ui.heardAt > 0 && quiet < 2500;
    if (on !== ui.online || !$("live").dataset.state.match(on ? "ok" : "wait")) {
      ui.online = on;
      $("live").dataset.state = on ? "ok" : "wait";
      $("live-word").textContent = on ? words().live : words().connecting;
    }
    if (!on && !lostAt && ui.heardAt) lostAt = ui.heardAt;
    const long = !on && ui.heardAt > 0 && quiet > 5000;
    document.body.classList.toggle("is-stale", long);
    if (long && $("offline").hidden) {
      const onDesk = Boolean($("desk-view"));
      $("offline-words").textContent = $("offline-words").dataset[onDesk ? "desk" : "page"];
      $("offline-since").textContent = new Date(lostAt + ui.offset + Number($("app").dataset.shift)).toLocaleTimeString("uk", { timeZone: $("app").dataset.zone });
    }
    $("offline").hidden = !long;
    for (const button of document.querySelectorAll("[data-act='ready'],[data-act='save'],[data-act='hangup'],[data-open]")) {
      if (long && !button.disabled) { button.disabled = true; button.dataset.offline = "1"; }
      else if (!long && button.dataset.offline) { button.disabled = false; delete button.dataset.offline; }
    }
  }
  ui.reconnect = connect;

  // --- toasts and announcements --------------------------------------------------------------------------------
  let toastTimer;
  ui.toast = (text, kind = "ok") => {
    if (!text) return;
    const toast = $("toast");
    toast.className = `toast ${kind}`;
    toast.querySelector("use").setAttribute("href", kind === "ok" ? "#i-check" : kind === "warn" ? "#i-warn" : "#i-crit");
    $("toast-text").textContent = text;
    toast.hidden = false;
    $(kind === "crit" ? "alert" : "status").textContent = text;
    clearTimeout(toastTimer);
    if (kind === "ok") toastTimer = setTimeout(() => (toast.hidden = true), 5000);
  };
  ui.say = (text, urgent = false) => ($(urgent ? "alert" : "status").textContent = text);
  document.addEventListener("toast", (event) => ui.toast(event.detail.text, event.detail.kind));

  // --- theme, language, dialogs ----------------------------------------------------------------------------------
  const cookie = (name, value) => (document.cookie = `${name}=${value}; path=/; max-age=31536000; samesite=strict`);
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button, a");
    if (!button) return;
    if (button.id === "theme") {
      const dark = document.documentElement.dataset.theme
        ? document.documentElement.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
      document.documentElement.dataset.theme = dark ? "light" : "dark";
      cookie("theme", dark ? "light" : "dark");
    } else if (button.id === "toast-close") $("toast").hidden = true;
    else if (button.id === "offline-retry") connect();
    else if (button.dataset.open) $(button.dataset.open).showModal();
    else if (button.dataset.close) $(button.dataset.close).close();
    else if (button.closest("[popover]:not(.asks)")) button.closest("[popover]").hidePopover();
  });
  document.addEventListener("toggle", (event) => {  // a menu of a row opens under its button, or above it where no room is
    const menu = event.target, button = menu.id && document.querySelector(`td [popovertarget="${menu.id}"]`);
    if (event.newState !== "open" || !button) return;
    const at = button.getBoundingClientRect(), below = at.bottom + menu.offsetHeight + 4 <= innerHeight;
    const bar = document.querySelector("header.top")?.getBoundingClientRect().bottom ?? 0;  // never over the bar of the page
    menu.style.top = `${below ? at.bottom + 4 : Math.max(bar + 4, at.top - menu.offsetHeight - 4)}px`;
    const wide = document.documentElement.clientWidth;
    menu.style.right = `${Math.max(4, Math.min(wide - at.right, wide - menu.offsetWidth - 4))}px`;
  }, true);
  document.addEventListener("htmx:afterRequest", (event) => {
    const form = event.detail.elt.closest("[data-closes]");
    if (form && event.detail.successful) { form.closest("dialog").close(); form.reset(); }
    tick();
  });
  document.addEventListener("language", async () => {
    const answer = await ui.get(location.href, { Accept: "text/html" });
    if (answer.redirected) history.replaceState(null, "", answer.url);  // from the address of a form to its page
    const fresh = ui.parse(await answer.text());
    document.documentElement.lang = fresh.documentElement.lang;
    document.title = fresh.title;
    ui.keepAgents = false;
    ui.morph($("app"), fresh.getElementById("app"));
    ui.keepAgents = true;
    ui.online = false;
    silence();
    $("toast").hidden = true;  // it spoke the language before
    document.dispatchEvent(new CustomEvent("relabelled"));
  });

  // --- keys: physical ones, letters only outside fields ------------------------------------------------------------
  ui.typing = () => document.activeElement && document.activeElement.matches("input:not([type=radio]), textarea, select");
  let goes = 0;
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.metaKey || event.ctrlKey || document.querySelector("dialog[open]")) return;
    if (event.code === "Escape" && ui.typing()) { document.activeElement.blur(); return; }
    if (ui.typing()) return;
    const field = $("search") || $("caller-q");
    if (event.code === "Slash" && field) { event.preventDefault(); field.focus(); }
    else if (event.code === "KeyG") goes = Date.now();
    else if (Date.now() - goes < 1200) {
      const to = { KeyD: "/desk", KeyF: "/floor", KeyQ: "/queue", KeyL: "/lines", KeyU: "/unknown", KeyA: "/announcements",
        KeyW: "/tasks", KeyS: "/strategies", KeyP: "/proof", KeyR: "/reports" }[event.code];
      const link = to && document.querySelector(`.nav a[href="${to}"]`);
      if (link) { event.preventDefault(); link.click(); }
    }
  });

  // --- tables whose rows open: the whole row, and by arrows ----------------------------------------------------------
  document.addEventListener("click", (event) => {
    const row = event.target.closest("table[data-rows] tbody tr");
    if (row && !event.target.closest("a, button, input") && !String(getSelection())) row.querySelector("a.rowlink").click();
  });
  document.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.code], table = document.querySelector("table[data-rows]");
    if (!step || !table || ui.typing() || document.querySelector("dialog[open], [popover]:popover-open")) return;
    const links = [...table.querySelectorAll("a.rowlink")], at = links.indexOf(document.activeElement);
    const to = links[at < 0 ? Math.max(0, links.findIndex((one) => one.closest("tr[aria-selected=true]"))) : at + step];
    if (to) { event.preventDefault(); to.focus(); to.closest("tr").scrollIntoView({ block: "nearest" }); }
  });

  if ($("app")) {
    ui.keepAgents = true;
    ui.offset = Number($("app").dataset.wall) - Date.now();
    connect();
    setInterval(tick, 250);
    setInterval(silence, 500);
    tick();
  }
})();

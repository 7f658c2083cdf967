// The phone in the browser: registers at our own Asterisk and answers its calls by itself. It lives beside the page's
// fragments, so that swapping them never touches a talk. Only the tab that holds the desk has it.
"use strict";
(async () => {
  const { $, words } = ui;
  let phone, session, stream, state = ["phoneConnecting", "wait"];

  const show = () => {
    const line = $("phone-line");
    if (!line) return;
    line.dataset.state = state[1];
    const text = words()[state[0]];
    if ($("phone-word").textContent !== text) $("phone-word").textContent = text;  // this is observed: no endless echo
    const mute = $("mute");
    if (mute) { mute.disabled = !stream; mute.setAttribute("aria-pressed", String(isMuted())); }
  };
  const set = (word, kind) => { state = [word, kind]; show(); };
  const isMuted = () => Boolean(stream && stream.getAudioTracks().some((track) => !track.enabled));
  document.addEventListener("htmx:afterSwap", show);
  document.addEventListener("relabelled", show);
  new MutationObserver(show).observe($("app"), { childList: true, subtree: true });

  await ui.holdsDesk;
  if (!navigator.mediaDevices) { set("phoneInsecure", "bad"); return; }

  async function microphone() {
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true } });
      stream.getAudioTracks()[0].addEventListener("ended", () => {
        stream = undefined;
        set("phoneNoMic", "bad");
        ui.toast(words().micLost, "crit");
      });
      return true;
    } catch {
      set("phoneNoMic", "bad");
      return false;
    }
  }

  async function start() {
    if (!stream && !(await microphone())) { setTimeout(start, 5000); return; }
    let account;
    try {
      const answer = await fetch("/desk/phone", { headers: { Accept: "application/json" } });
      if (!answer.ok) throw new Error(String(answer.status));
      account = await answer.json();
    } catch { set("phoneOff", "bad"); setTimeout(start, 3000); return; }
    phone = new JsSIP.UA({
      sockets: [new JsSIP.WebSocketInterface(account.ws)], uri: account.uri, authorization_user: account.user,
      password: account.password, register: true, register_expires: 120, session_timers: false,
      connection_recovery_min_interval: 1, connection_recovery_max_interval: 5, user_agent: "console",
    });
    phone.on("registered", () => set("phoneRegistered", "ok"));
    phone.on("unregistered", () => set("phoneConnecting", "wait"));
    phone.on("registrationFailed", (event) => set(event.response ? "phoneRefused" : "phoneOff", "bad"));
    phone.on("disconnected", () => set("phoneOff", "bad"));
    phone.on("newRTCSession", (event) => incoming(event));
    phone.start();
  }

  function incoming({ originator, session: call }) {
    if (originator !== "remote") return;
    if (session && !session.isEnded()) { call.terminate({ status_code: 486 }); return; }
    session = call;
    call.on("peerconnection", ({ peerconnection }) => {
      peerconnection.addEventListener("track", (event) => { $("phone-audio").srcObject = event.streams[0] || new MediaStream([event.track]); });
    });
    const over = () => { if (session === call) session = undefined; show(); };
    call.on("ended", over);
    call.on("failed", over);
    for (const track of stream.getAudioTracks()) track.enabled = true;  // no talk begins muted
    call.answer({ mediaStream: stream, mediaConstraints: { audio: true, video: false }, pcConfig: { iceServers: [] }, sessionTimersExpires: 180 });
    show();
  }

  document.addEventListener("click", (event) => {
    if (!event.target.closest("#mute") || !stream) return;
    const muted = isMuted();
    for (const track of stream.getAudioTracks()) track.enabled = muted;
    show();
  });
  document.addEventListener("desk-taken", () => { phone?.stop(); phone = undefined; set("taken", "bad"); });
  window.addEventListener("pagehide", () => phone?.stop());
  ui.phone = { get session() { return session; }, get state() { return state; } };
  start();
})();

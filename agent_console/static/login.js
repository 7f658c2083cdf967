// Tells that Caps Lock is on; nothing else needs a script here.
document.getElementById("pw").addEventListener("keyup", (event) => {
  if (event.getModifierState) document.getElementById("caps").hidden = !event.getModifierState("CapsLock");
});

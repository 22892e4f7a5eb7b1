// Comforts of forms; every form works without them.

// A button that shows what is typed as a password.
for (const button of document.querySelectorAll("[data-reveal]")) {
  const input = document.getElementById(button.dataset.reveal);
  button.addEventListener("click", () => {
    const shown = input.type === "password";
    input.type = shown ? "text" : "password";
    button.setAttribute("aria-pressed", String(shown));
    input.focus();
  });
  // Never sent as text: browsers would offer to complete it later.
  input.form?.addEventListener("submit", () => { input.type = "password"; });
}

// Caps Lock is on, and a password is being typed.
for (const hint of document.querySelectorAll("[data-caps]")) {
  const input = document.getElementById(hint.dataset.caps);
  const look = (event) => {
    const on = event.getModifierState?.("CapsLock") === true && document.activeElement === input;
    if (Boolean(hint.textContent) !== on) hint.textContent = on ? hint.dataset.text : "";
  };
  for (const kind of ["keydown", "keyup", "mousedown"]) input.addEventListener(kind, look);
  input.addEventListener("blur", () => { hint.textContent = ""; });
}

// A form is sent once, however often its button is pressed; a download may be sent again.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.method !== "post" || "many" in form.dataset) return;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "1";
  event.submitter?.setAttribute("aria-busy", "true");
});
// Back from the next page, it may be sent again.
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
  for (const button of document.querySelectorAll("[aria-busy]")) button.removeAttribute("aria-busy");
});

// Leaving a long form asks whether what was changed may be lost.
for (const form of document.querySelectorAll("form[data-guard]")) {
  let changed = false;
  form.addEventListener("input", () => { changed = true; });
  form.addEventListener("submit", () => { changed = false; });
  addEventListener("beforeunload", (event) => { if (changed) event.preventDefault(); });
}

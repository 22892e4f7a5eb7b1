// Comforts of Profile and Instance Manager; everything works without them.

// Copies a value, and says so.
for (const button of document.querySelectorAll("[data-copy]")) {
  const label = button.querySelector("[aria-live]");
  const before = label.textContent;
  button.addEventListener("click", async () => {
    const field = document.getElementById(button.dataset.copy);
    field.select();
    try {
      await navigator.clipboard.writeText(field.value);
    } catch {
      document.execCommand("copy"); // on http, where the clipboard is closed
    }
    label.textContent = button.dataset.done;
    setTimeout(() => { label.textContent = before; }, 2000);
  });
}

// A confirmation, shown over the page instead of as the next one.
document.addEventListener("click", async (event) => {
  const link = event.target.closest("a[data-confirm]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
  event.preventDefault();
  let form = null;
  try {
    const answer = await fetch(link.href, { headers: { Accept: "text/html" } });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (answer.ok && !answer.redirected) form = page.querySelector("form.confirm");
  } catch { /* the page itself will tell */ }
  if (!form) {
    location.assign(link.href);
    return;
  }
  const dialog = document.createElement("dialog");
  const title = form.querySelector("h1");
  title.id = "dialog-title";
  dialog.setAttribute("aria-labelledby", title.id);
  dialog.append(document.adoptNode(form));
  dialog.addEventListener("close", () => { dialog.remove(); link.focus(); });
  dialog.addEventListener("click", (inside) => {
    if (inside.target === dialog || inside.target.closest("[data-close]")) {
      inside.preventDefault();
      dialog.close();
    }
  });
  document.body.append(dialog);
  dialog.showModal();
});

// Chooses at once what else needs a button.
for (const control of document.querySelectorAll("select[data-go]")) {
  control.addEventListener("change", () => control.form.requestSubmit());
}

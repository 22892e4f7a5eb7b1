// Passkeys (WebAuthn Level 3): the one part of signing in that needs a script.
//
// A form says by `data-passkey` what for: sign_in, second_step or register. Its hidden fields go
// to `data-passkey-options`, which answers what the browser is to be asked. What the browser
// answers goes into the field `credential`, and the form is sent as any other.

const form = document.querySelector("form[data-passkey]");
const step = form.dataset.passkey;
const problem = form.querySelector("[data-passkey-problem]");
const CHALLENGE_MILLISECONDS = 240000; // a minute less than the server keeps it
let turn = null;

const decoded = (text) =>
  Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));

const encoded = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

async function askedOptions() {
  const fields = new URLSearchParams({ step });
  for (const field of form.querySelectorAll("input[type=hidden]")) {
    if (field.name !== "credential") fields.set(field.name, field.value);
  }
  const answer = await fetch(form.dataset.passkeyOptions, { method: "POST", body: fields });
  if (!answer.ok) throw new Error("the page has expired");
  const options = await answer.json();
  options.challenge = decoded(options.challenge);
  if (options.user) options.user.id = decoded(options.user.id);
  for (const known of [...(options.allowCredentials ?? []), ...(options.excludeCredentials ?? [])]) {
    known.id = decoded(known.id);
    if (!known.transports.length) delete known.transports;
  }
  return options;
}

function send(credential) {
  const { response } = credential;
  const told = { clientDataJSON: encoded(response.clientDataJSON) };
  if (response.attestationObject) {
    told.attestationObject = encoded(response.attestationObject);
    told.transports = response.getTransports?.() ?? [];
  } else {
    told.authenticatorData = encoded(response.authenticatorData);
    told.signature = encoded(response.signature);
    told.userHandle = response.userHandle ? encoded(response.userHandle) : null;
  }
  form.elements.namedItem("credential").value = JSON.stringify({
    id: credential.id,
    rawId: encoded(credential.rawId),
    type: credential.type,
    response: told,
  });
  form.submit();
}

// One question at a time: whoever asks anew takes the turn, and what was asked before ends.
function takeTurn() {
  turn?.abort();
  turn = new AbortController();
  return turn.signal;
}

async function use() {
  const mine = takeTurn();
  problem.hidden = true;
  try {
    const publicKey = await askedOptions();
    const credential = step === "register"
      ? await navigator.credentials.create({ publicKey, signal: mine })
      : await navigator.credentials.get({ publicKey, signal: mine });
    if (!mine.aborted) send(credential);
  } catch {
    if (mine.aborted) return;
    // Given up, or no passkey here: browsers do not tell which.
    problem.textContent = problem.dataset.text;
    problem.hidden = false;
    offer();
  }
}

// The browser offers passkeys where it offers passwords, until something else is done.
async function offer() {
  if (step !== "sign_in") return;
  const mine = takeTurn(), end = turn;
  if (!(await PublicKeyCredential.isConditionalMediationAvailable?.())) return;
  let isOver = false;
  const clock = setTimeout(() => { isOver = true; end.abort(); }, CHALLENGE_MILLISECONDS);
  try {
    const publicKey = await askedOptions();
    if (mine.aborted) return;
    const asked = { publicKey, mediation: "conditional", signal: mine };
    const credential = await navigator.credentials.get(asked);
    if (!mine.aborted) send(credential);
  } catch {
    if (isOver && turn === end) offer(); // with a new challenge
  } finally {
    clearTimeout(clock);
  }
}

if (window.PublicKeyCredential) {
  for (const hidden of form.querySelectorAll("[data-passkey-use]")) hidden.hidden = false;
  form.querySelector("button[data-passkey-use]").addEventListener("click", use);
  offer();
}

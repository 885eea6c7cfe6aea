// Asks the service. Every failure is an Error whose message can be shown as it is.

const TOKEN = "hotshelf.token";
const PATIENCE_MS = 8000;

export const token = {
  get: () => sessionStorage.getItem(TOKEN) ?? "",
  keep: (value) => sessionStorage.setItem(TOKEN, value),
  forget: () => sessionStorage.removeItem(TOKEN),
};

export async function state() {
  return (await ask("/console/state", { signal: AbortSignal.timeout(PATIENCE_MS) })).json();
}

// Resolves to the five most probable classes, the version that answered and the time it took.
export async function predict(image, choice) {
  const started = performance.now();
  const response = await ask(`/predict?top=5${choice}`, {
    method: "POST",
    headers: { "Content-Type": image.type || "application/octet-stream", ...authorization() },
    body: image,
  });
  const classes = await response.json();
  const version = response.headers.get("Model-Version");
  return { classes, version, tookMs: performance.now() - started };
}

// Both resolve to what the shelf says then: labels, weights.
export function promote(label, version, expected) {
  const path = `/admin/labels/${encodeURIComponent(label)}`;
  return change("PUT", path, { version, expected });
}

export function rollBack(label) {
  return change("POST", "/admin/rollback", { label });
}

// Resolves to the catalog's newest events, oldest first.
export async function history() {
  return (await (await ask("/admin/history", { headers: authorization() })).json()).history;
}

async function change(method, path, body) {
  const response = await ask(path, {
    method,
    headers: { "Content-Type": "application/json", ...authorization() },
    body: JSON.stringify(body),
  });
  return response.json();
}

function authorization() {
  return token.get() ? { Authorization: `Bearer ${token.get()}` } : {};
}

async function ask(path, options) {
  let response;
  try {
    response = await fetch(path, { cache: "no-store", ...options });
  } catch {
    throw new Error("The service can't be reached.");
  }
  if (response.ok) return response;
  throw new Error(await reason(response));
}

async function reason(response) {
  try {
    const body = await response.json();
    if (typeof body.error === "string") return sentence(body.error);
  } catch {
    // Whatever stands between may answer something that isn't JSON.
  }
  return `The service answered ${response.status}.`;
}

function sentence(text) {
  const capital = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(capital) ? capital : `${capital}.`;
}

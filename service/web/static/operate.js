// Promote and roll back: with a token, after a question, and saying what came of it.

import { byId, element, notice } from "./dom.js";
import { day } from "./format.js";
import { history, promote, rollBack, token } from "./service.js";

const USUAL = "production";
const SHOWN_EVENTS = 8;

let state = { labels: {} };
let act = null;
let changed = () => {};

export function setUpOperate(onChange) {
  changed = onChange;
  byId("token-form").addEventListener("submit", (event) => {
    event.preventDefault();
    token.keep(byId("token").value.trim());
    byId("token").value = "";
    showToken();
    byId("operator").focus();
    showHistory();
    changed();
  });
  byId("forget").addEventListener("click", () => {
    token.forget();
    showToken();
    byId("operator").focus();
    showHistory();
    changed();
  });
  byId("confirm-no").addEventListener("click", () => byId("confirm").close());
  byId("confirm-form").addEventListener("submit", carryOut);
  showToken();
  showHistory();
}

export const isOperating = () => token.get() !== "";

export function remember(newest) {
  state = newest;
}

export function askPromote(version) {
  byId("known-labels").replaceChildren(...Object.keys(state.labels).map((value) => element("option", { value })));
  byId("confirm-label").value = USUAL in state.labels ? USUAL : Object.keys(state.labels)[0] ?? USUAL;
  ask({
    title: `Promote version ${version}`,
    text: "The label moves to this version; every service that follows the shelf does the same.",
    yes: "Promote",
    withLabel: true,
    run: () => movesLabel(byId("confirm-label").value.trim(), version),
  });
}

export function askRollBack(label, version) {
  ask({
    title: `Roll back ${label}`,
    text: `${label} points at version ${version}. It goes back to where it pointed before; every service that follows the shelf does the same.`,
    yes: "Roll back",
    withLabel: false,
    run: async () => {
      const target = (await rollBack(label)).labels[label];
      return target === undefined ? `${label} is gone again.` : `${label} points at version ${target} again.`;
    },
  });
}

async function movesLabel(label, version) {
  if (label === "") throw new Error("A label needs a name.");
  // Should somebody have moved it meanwhile, this move was decided on what is no longer true.
  await promote(label, version, state.labels[label] ?? null);
  return `${label} now points at version ${version}.`;
}

function ask(question) {
  act = question;
  byId("confirm-title").textContent = question.title;
  byId("confirm-text").textContent = question.text;
  byId("confirm-yes").textContent = question.yes;
  byId("confirm-label-row").hidden = !question.withLabel;
  notice(byId("confirm-error"), "");
  byId("confirm").showModal();
}

async function carryOut(event) {
  event.preventDefault();
  const button = byId("confirm-yes");
  button.disabled = true;
  try {
    const said = await act.run();
    byId("confirm").close();
    notice(byId("said"), said, "good");
    showHistory();
    changed();
  } catch (error) {
    notice(byId("confirm-error"), error.message, "bad");
  } finally {
    button.disabled = false;
  }
}

// A token that isn't known has no history to see; the next change says what is wrong with it.
async function showHistory() {
  let events = [];
  try {
    if (isOperating()) events = await history();
  } catch {
    events = [];
  }
  byId("history").replaceChildren(...events.slice(-SHOWN_EVENTS).reverse().map(line));
  byId("past").hidden = events.length === 0;
}

function line(event) {
  const what = event.label === null ? event.action : `${event.action} ${event.label}`;
  const from = event.before ?? shares(event.weights_before);
  const to = event.after ?? shares(event.weights_after);
  const moved = from === "none" && to === "none" ? "" : `: ${from} → ${to}`;
  return element("li", {}, `${what}${moved} `, element("span", { class: "quiet" }, `${event.by}, ${day(event.at)}`));
}

function shares(weights) {
  const all = Object.entries(weights ?? {}).map(([version, weight]) => `${version} (${weight})`);
  return all.length ? all.join(", ") : "none";
}

function showToken() {
  byId("operator").textContent = isOperating() ? "Operating" : "Operate …";
  byId("token-form").hidden = isOperating();
  byId("held").hidden = !isOperating();
}

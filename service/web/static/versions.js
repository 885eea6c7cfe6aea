// The shelf: labels and versions, newest first.

import { byId, element } from "./dom.js";
import { day, percent, size } from "./format.js";

const WORDS = {
  START: ["waiting", "quiet"],
  LOADING: ["loading", "busy"],
  AVAILABLE: ["available", "good"],
  UNLOADING: ["unloading", "busy"],
  END: ["not served", "quiet"],
  "": ["on the shelf", "quiet"],
};

let drawnFor = "";

// Draw the shelf, unless nothing changed: a button that has the focus should keep it.
export function showVersions(state, operating, { onPromote, onRollBack }) {
  const seen = JSON.stringify([state.versions, state.labels, state.weights, state.default, state.engine, operating]);
  if (seen === drawnFor) return;
  drawnFor = seen;
  const focused = document.activeElement?.dataset?.act;
  byId("labels").replaceChildren(...labels(state, operating, onRollBack));
  byId("versions").replaceChildren(...versions(state, operating, onPromote));
  if (focused) document.querySelector(`[data-act="${CSS.escape(focused)}"]`)?.focus();
}

function labels(state, operating, onRollBack) {
  return Object.entries(state.labels ?? {}).map(([label, version]) => {
    const button = element("button", { type: "button", class: "small", "data-act": `back ${label}` }, "Roll back …");
    button.setAttribute("aria-label", `Roll back ${label}`);
    button.addEventListener("click", () => onRollBack(label, version));
    return element("li", {}, element("b", {}, label), ` → version ${version} `, operating ? button : null);
  });
}

function versions(state, operating, onPromote) {
  if (state.versions.length === 0) {
    const why = state.engine ? "No version is on the shelf yet. Publish one, and it appears here." : "Nothing is known of the shelf while the engine is away.";
    return [element("li", { class: "card empty quiet" }, why)];
  }
  return state.versions.map((each) => card(each, state, operating, onPromote));
}

function card(each, state, operating, onPromote) {
  const [word, kind] = each.error ? ["failed", "bad"] : WORDS[each.state] ?? [each.state, "quiet"];
  const title = element("h3", {}, `Version ${each.version}`);
  const marks = element("p", { class: "marks" }, element("span", { class: "pill", "data-kind": kind }, word));
  if (each.version === state.default) marks.append(element("span", { class: "pill", "data-kind": "accent" }, "answers by default"));
  const share = weight(each.version, state.weights);
  if (share !== null) marks.append(element("span", { class: "pill", "data-kind": "accent" }, `${percent(share, 0)} of requests`));
  for (const label of each.labels) marks.append(element("span", { class: "pill label" }, label));
  const parts = [element("div", { class: "who" }, title, marks), facts(each)];
  if (operating) parts.push(promoteButton(each, onPromote));
  if (each.error) parts.push(element("p", { class: "why notice", "data-kind": "bad" }, each.error));
  return element("li", { class: "card version" }, ...parts);
}

function promoteButton(each, onPromote) {
  const button = element("button", { type: "button", "data-act": `promote ${each.version}` }, "Promote …");
  button.setAttribute("aria-label", `Promote version ${each.version}`);
  button.addEventListener("click", () => onPromote(each.version));
  return button;
}

function weight(version, weights) {
  const all = Object.values(weights ?? {}).reduce((sum, each) => sum + each, 0);
  return all > 0 && version in weights ? weights[version] / all : null;
}

function facts(each) {
  const facts = each.facts;
  const list = element("dl");
  if (!facts) return list;
  const accuracy = accuracyOf(facts.accuracy, each.variant);
  if (accuracy) fact(list, "Accuracy", accuracy);
  if (facts.origin) fact(list, "Origin", ...origin(facts.origin));
  fact(list, "Published", `${day(facts.published_at)} by ${facts.published_by}`);
  fact(list, "Size", size(facts.size_bytes));
  return list;
}

function fact(list, name, ...lines) {
  list.append(element("div", {}, element("dt", {}, name), ...lines.map((line) => element("dd", {}, line))));
}

// The variant that is served, else each that was measured.
function accuracyOf(accuracy, variant) {
  const files = Object.keys(accuracy).filter((file) => file.endsWith(".onnx"));
  const chosen = files.filter((file) => file === variant);
  return (chosen.length ? chosen : files).map((file) => `${percent(accuracy[file])}${variantName(file)}`).join(", ");
}

function variantName(file) {
  const kind = file.match(/^model\.(.+)\.onnx$/)?.[1] ?? "fp32";
  return ` ${kind}`;
}

function origin(from) {
  const how = from.mode === "single" ? "on one device" : `with ${from.mode} × ${from.processes}`;
  const long = from.epochs === null ? "" : `, ${from.epochs} ${from.epochs === 1 ? "epoch" : "epochs"}`;
  const parent = from.parent === null ? "" : `, from version ${from.parent}`;
  return [`Trained ${how}${long}${parent}`, `data ${short(from.data_digest)}, code ${short(from.code_version)}, on ${from.host}`];
}

const short = (text) => (text.length > 12 ? text.slice(0, 8) : text);

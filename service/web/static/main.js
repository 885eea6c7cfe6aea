// Looks at the service every two seconds and shows what it sees.

import { addPoint, setUpCharts } from "./charts.js";
import { byId, notice } from "./dom.js";
import { askPromote, askRollBack, isOperating, remember, setUpOperate } from "./operate.js";
import { offerVersions, setUpPredict } from "./predict.js";
import * as service from "./service.js";
import { showVersions } from "./versions.js";

const EVERY_MS = 2000;

let newest = null;

function show(state) {
  newest = state;
  if (state.model) {
    byId("model").textContent = state.model;
    document.title = `${state.model} · Hotshelf`;
  }
  const [text, kind] = status(state);
  notice(byId("status"), text, kind);
  notice(byId("trouble"), trouble(state), "bad");
  byId("about").textContent = `Hotshelf ${state.hotshelf}${state.device ? ` · inference on ${state.device}` : ""}`;
  offerVersions(state);
  addPoint(state);
  showShelf();
}

function showShelf() {
  if (newest === null) return;
  remember({ labels: {}, ...newest });
  showVersions(newest, isOperating(), { onPromote: askPromote, onRollBack: askRollBack });
}

function status(state) {
  if (!state.engine) return ["The engine is away", "bad"];
  if (!state.ready) return ["Not ready", "busy"];
  return [`Ready · version ${state.default} answers`, "good"];
}

function trouble(state) {
  if (!state.engine || !state.ready) return `Nothing is answered at the moment: ${state.waiting}`;
  if (state.store_problem) return `The store can't be read; what is loaded goes on serving. ${state.store_problem}`;
  return "";
}

async function look() {
  try {
    show(await service.state());
  } catch (error) {
    notice(byId("status"), "Not reachable", "bad");
    notice(byId("trouble"), `${error.message} Trying again.`, "bad");
  }
}

async function watch() {
  // Nobody looks at a hidden tab.
  if (!document.hidden) await look();
  setTimeout(watch, EVERY_MS);
}

setUpCharts();
setUpPredict();
setUpOperate(async () => {
  showShelf();
  await look();
});
watch();

// An image in, by choosing, dropping or pasting; bars out.

import { byId, element } from "./dom.js";
import { percent } from "./format.js";
import { predict } from "./service.js";

let shown = 0;
let last = null;

export function setUpPredict() {
  const file = byId("file");
  file.addEventListener("change", () => use(file.files));
  document.addEventListener("paste", (event) => use(event.clipboardData?.files));
  byId("ask").addEventListener("change", () => last && answer(last));

  const drop = byId("drop");
  for (const kind of ["dragenter", "dragover"]) {
    document.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.add("over");
    });
  }
  document.addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) drop.classList.remove("over");
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    use(event.dataTransfer?.files);
  });
}

// Offer what can answer; what was chosen stays chosen while it is there.
export function offerVersions(state) {
  const options = [["", "whatever serves by default"]];
  for (const [label, version] of Object.entries(state.labels ?? {})) {
    options.push([`&label=${encodeURIComponent(label)}`, `${label} (version ${version})`]);
  }
  for (const each of state.versions) {
    if (each.state === "AVAILABLE") options.push([`&version=${each.version}`, `version ${each.version}`]);
  }
  const select = byId("ask");
  const known = [...select.options].map((each) => `${each.value} ${each.text}`).join();
  if (known === options.map((each) => each.join(" ")).join()) return;
  const chosen = select.value;
  select.replaceChildren(...options.map(([value, text]) => element("option", { value }, text)));
  if (options.some(([value]) => value === chosen)) select.value = chosen;
}

function use(files) {
  if (!files || files.length === 0) return;
  last = files[0];
  const preview = byId("preview");
  if (preview.src) URL.revokeObjectURL(preview.src);
  preview.src = URL.createObjectURL(last);
  preview.alt = `The image you chose: ${last.name}`;
  preview.hidden = false;
  preview.onerror = () => { preview.hidden = true; };
  byId("drop").classList.add("filled");
  answer(last);
}

async function answer(image) {
  // Of several questions under way only the last one's answer is of interest.
  const mine = ++shown;
  const place = byId("answer");
  place.setAttribute("aria-busy", "true");
  let content;
  try {
    content = bars(await predict(image, byId("ask").value));
  } catch (error) {
    content = [element("p", { class: "notice", "data-kind": "bad" }, error.message)];
  }
  if (mine !== shown) return;
  place.setAttribute("aria-busy", "false");
  place.replaceChildren(...content);
}

function bars({ classes, version, tookMs }) {
  const list = element("ol", { class: "bars" }, ...classes.map((each, rank) => {
    const bar = element("span", { class: "bar", "aria-hidden": "true" });
    bar.style.setProperty("--share", each.score);
    return element("li", { class: rank === 0 ? "best" : null, title: each.wnid },
      element("span", { class: "name" }, each.label), element("span", { class: "score" }, percent(each.score)), bar);
  }));
  const by = element("p", { class: "quiet" }, "Version ", element("b", {}, version), ` answered in ${Math.round(tookMs)} ms.`);
  return [list, by];
}

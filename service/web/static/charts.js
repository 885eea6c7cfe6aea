// Three small live charts: answers a second, time to answer, images waiting.

import { byId, drawn, element } from "./dom.js";
import { milliseconds, perSecond } from "./format.js";

const WINDOW_S = 120;
const WIDTH = 300;
const HEIGHT = 84;

const points = [];
let before = null;

const CHARTS = [
  {
    id: "rate", title: "Throughput", format: perSecond, least: 10,
    lines: [["answers", "s3", (p) => p.rate], ["failed", "bad", (p) => p.failed], ["turned away", "busy", (p) => p.away]],
  },
  {
    id: "latency", title: "Time to answer", format: milliseconds, least: 0.01,
    lines: [["p50", "s3", (p) => p.p50], ["p99", "s2", (p) => p.p99]],
  },
  {
    id: "queue", title: "Waiting images", format: (value) => String(Math.round(value)), least: 8,
    lines: [["waiting", "s3", (p) => p.queued]],
  },
];

export function setUpCharts() {
  CHARTS.forEach(draw);
}

export function addPoint(state) {
  const pulse = { ...state.pulse, at_s: state.at_s };
  // A service that was started again counts from zero: there is no difference to take.
  if (before && pulse.at_s > before.at_s && pulse.requests >= before.requests) {
    points.push(difference(before, pulse, state.queued_images));
  } else {
    points.length = 0;
  }
  before = pulse;
  while (points.length && points[0].at_s < pulse.at_s - WINDOW_S) points.shift();
  CHARTS.forEach(draw);
}

function difference(from, to, queued) {
  const took_s = to.at_s - from.at_s;
  const counts = to.counts.map((count, index) => count - (from.counts[index] ?? 0));
  return {
    at_s: to.at_s,
    rate: (to.requests - from.requests) / took_s,
    failed: (to.failed - from.failed) / took_s,
    away: (to.turned_away - from.turned_away) / took_s,
    p50: quantile(0.5, to.bounds_s, counts),
    p99: quantile(0.99, to.bounds_s, counts),
    queued: queued ?? null,
  };
}

// As Prometheus estimates it: within a bucket, times are spread evenly.
function quantile(share, bounds, counts) {
  const all = counts[counts.length - 1] ?? 0;
  if (all === 0) return null;
  const rank = share * all;
  const index = counts.findIndex((count) => count >= rank);
  if (index >= bounds.length) return bounds[bounds.length - 1];
  const low = index === 0 ? 0 : bounds[index - 1];
  const below = index === 0 ? 0 : counts[index - 1];
  const inside = counts[index] - below;
  return low + (bounds[index] - low) * (inside === 0 ? 1 : (rank - below) / inside);
}

function draw(chart) {
  const values = points.flatMap((point) => chart.lines.map(([, , of]) => of(point) ?? 0));
  const top = niceTop(Math.max(chart.least, ...values));
  const legend = chart.lines.map(([name, kind, of]) => {
    const value = points.length ? of(points[points.length - 1]) : null;
    return element("span", { class: `legend ${kind}` },
      element("i", { class: "key", "aria-hidden": "true" }), `${name} `, element("b", {}, value === null ? "–" : chart.format(value)));
  });
  byId(chart.id).replaceChildren(
    element("figcaption", {}, element("h3", {}, chart.title), element("p", {}, ...legend)),
    picture(chart, top),
  );
}

function picture(chart, top) {
  const grid = [0, 0.5, 1].map((share) => drawn("line", { class: "grid", x1: 0, x2: WIDTH, y1: y(share), y2: y(share) }));
  const lines = chart.lines.map(([, kind, of]) => drawn("path", { class: `line ${kind}`, d: path(of, top) }));
  // The legend says the same in words.
  const svg = drawn("svg", { viewBox: `0 -6 ${WIDTH} ${HEIGHT + 10}`, "aria-hidden": "true", preserveAspectRatio: "none" }, ...grid, ...lines);
  return element("div", { class: "plot" }, svg, element("span", { class: "most", "aria-hidden": "true" }, chart.format(top)));
}

function path(of, top) {
  const now_s = points.length ? points[points.length - 1].at_s : 0;
  let pen = "M";
  let drawnPath = "";
  for (const point of points) {
    const value = of(point);
    if (value === null) {
      pen = "M";
      continue;
    }
    const x = WIDTH * (1 - (now_s - point.at_s) / WINDOW_S);
    drawnPath += `${pen}${x.toFixed(1)} ${y(value / top).toFixed(1)}`;
    pen = "L";
  }
  return drawnPath;
}

const y = (share) => HEIGHT * (1 - share);

function niceTop(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value * 0.999);
}

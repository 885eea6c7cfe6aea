// Numbers and times as people read them.

export const percent = (share, digits = 1) => `${(100 * share).toFixed(digits)} %`;

export function milliseconds(seconds) {
  const value = 1000 * seconds;
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
}

export function size(bytes) {
  if (bytes < 1e5) return `${Math.ceil(bytes / 1e3)} kB`;
  const value = bytes / 1e6;
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} MB`;
}

export function perSecond(value) {
  return `${value > 0 && value < 10 ? value.toFixed(1) : Math.round(value)} /s`;
}

export function day(time) {
  const date = new Date(time);
  if (Number.isNaN(date.getTime())) return time;
  return date.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}

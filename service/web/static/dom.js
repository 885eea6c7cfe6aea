// Makes elements. Text always goes in as text, never as markup: what a server or a user wrote can't
// become part of the page.

export const byId = (id) => document.getElementById(id);

export function element(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

export function drawn(name, attributes = {}, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

function filled(made, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== null && value !== false) {
      made.setAttribute(key, value === true ? "" : value);
    }
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

// Show a message; what has none is hidden, but for statuses: screen readers watch only what is there.
export function notice(where, text, kind = "quiet") {
  if (where.textContent !== text) where.textContent = text;
  where.dataset.kind = kind;
  where.hidden = text === "" && where.getAttribute("role") !== "status";
}

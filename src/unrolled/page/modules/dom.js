// Elements of the page. Text is only ever set as text, so that no name can be more than that.

export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "text") made.textContent = value;
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

export function drawn(tag, properties = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(properties)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

export function setText(of, text) {
  if (of.textContent !== text) of.textContent = text;
}

// Lay a line over one of `count` places along a picture, from 0; hide it if there is none.
export function place(line, at, count, across) {
  line.hidden = at === null || at < 0 || !count;
  if (line.hidden) return;
  const share = `${(100 * at) / count}%`;
  const size = `${100 / count}%`;
  Object.assign(line.style, across
    ? { left: share, width: size, top: "0", height: "100%" }
    : { top: share, height: size, left: "0", width: "100%" });
}

export function choices(select, options, chosen) {
  select.replaceChildren(
    ...options.map(({ value, text }) => element("option", { value, text, selected: String(value) === String(chosen) })),
  );
}

export function percent(share) {
  return `${(100 * share).toFixed(1)}%`;
}

export function short(number) {
  const size = Math.abs(number);
  if (size !== 0 && (size < 0.001 || size >= 1e6)) return number.toExponential(2);
  return Number(number.toPrecision(4)).toString().replace("-", "−");
}

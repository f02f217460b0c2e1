// The page as a service shows it: that reads along, if it is asked to, and beside each answer stands the service's own.
import { follow, later } from "./app.js";
import { element, percent, setText, short } from "./dom.js";
import { largest, softmax } from "./network.js";
import { Service } from "./service.js";

const SAME = 1e-4; // a smaller difference is rounding
const find = (id) => document.getElementById(id);
const lines = new Map(); // what the service says, by panel
let service = null;
let shown = [];

function show() {
  for (const { panel, reading, t } of shown) {
    if (!lines.has(panel)) {
      lines.set(panel, element("p", { class: "server" }));
      panel.detail.after(lines.get(panel));
    }
    const line = lines.get(panel);
    const { text = "", differs = false } = service && t ? said(panel, reading) : {};
    setText(line, text);
    line.classList.toggle("differs", differs);
    line.hidden = !text;
  }
  later();
}

// Ask for what is shown now.
function ask() {
  for (const { panel, reading, t } of shown) {
    if (service && canBeAsked(reading)) service.sessionOf(panel.run.name).read(reading, t);
  }
  show();
}

// A service leaves out rows and turns their order, since it gets what it is sent; it does nothing else to a reading.
function canBeAsked({ changes }) {
  return !changes.erased.length && !Object.keys(changes.held).length;
}

function said(panel, reading) {
  if (!canBeAsked(reading)) return { text: "Server: it erases nothing and holds no gate, and is not asked." };
  const session = service.sessionOf(panel.run.name);
  if (service.problem) return { text: `Server: ${service.problem}. It is tried again.`, differs: true };
  if (session.problem) return { text: `Server: ${session.problem}.`, differs: true };
  if (session.reading !== reading || !session.t) return { text: "Server: …" };
  const own = reading.answer(session.t);
  const theirs = answerOf(session, reading);
  const where = `Server, after ${panel.noun} ${session.t}:`;
  const away = difference(own, theirs, panel.kinds.length > 0);
  const end = away <= SAME ? "as the page" : `not as the page, by up to ${short(away)}`;
  return { text: `${where} ${answered(panel, theirs)}, ${end}`, differs: !(away <= SAME) };
}

function answerOf({ logits }, { network }) {
  return { logits, shares: softmax(logits, network.temperature) };
}

function answered(panel, { logits, shares }) {
  if (!panel.kinds.length) return Array.from(logits.slice(0, 4), (one, k) => short(panel.inUnits(one, k))).join(", ");
  const best = largest(shares);
  return `${panel.kinds[best]}, confidence ${percent(shares[best])}`;
}

// The largest one between probabilities, or between numbers as they were learnt; NaN if one is none.
function difference(own, theirs, named) {
  const part = named ? "shares" : "logits";
  return own[part].reduce((most, one, k) => Math.max(most, Math.abs(one - theirs[part][k])), 0);
}

function begin() {
  end();
  if (box.checked) service = new Service(show);
  ask();
}

function end() {
  service?.close();
  service = null;
}

const box = element("input", { type: "checkbox", id: "along", onchange: begin });
find("compare").after(element("p", { class: "along" }, element("label", {}, box, " let the server read along")));
setText(find("asks"), "It asks its server alone, and only while that reads along.");
addEventListener("pagehide", end);
addEventListener("pageshow", ({ persisted }) => persisted && begin()); // the page as it was, by the way back
follow((now) => {
  shown = now;
  ask();
});

// For those who look at the numbers: a network's session, how far it has read, and what it says there.
globalThis.served = (name) => {
  const session = service.sessionOf(name);
  return { id: session.id, t: session.t, ...(session.logits && answerOf(session, session.reading)) };
};

// What is done to the reading: rows left out or read from below, c erased, gates held.
import { GATE_NAMES, HOLDABLE } from "./cells.js";
import { choices, element, setText } from "./dom.js";
import { UNCHANGED } from "./network.js";

export class Changes {
  // changed(changes): whenever one is made; row(): the row that was read last, or null.
  constructor(root, networks, noun, row, changed) {
    Object.assign(this, { noun, row, changed, value: UNCHANGED });
    const kinds = new Set(networks.flatMap(({ layers }) => layers.map(({ kind }) => kind)));
    const part = kinds.has("lstm") ? "c" : "h";
    const [last, whole] = noun === "row" ? ["from below", "rows"] : ["from the end", "steps"];
    this.reversed = element("input", { type: "checkbox", onchange: () => this.set({ reversed: this.reversed.checked }) });
    this.skip = element("button", { type: "button", onclick: () => this.toggle("skipped") });
    this.erase = element("button", { type: "button", onclick: () => this.toggle("erased") });
    this.words = { skipped: ["Skip", "Read"], erased: [`Erase ${part} before`, `Keep ${part} before`] };
    this.gates = [...new Set([...kinds].flatMap((kind) => HOLDABLE[kind]))].map((gate) => {
      const select = element("select", { onchange: () => this.hold(gate, select.value) });
      choices(select, [{ value: "", text: "as computed" }, { value: "1", text: "held open (1)" }, { value: "0", text: "held shut (0)" }]);
      return { gate, select, label: element("label", {}, `${GATE_NAMES[gate]} `, select) };
    });
    this.list = element("p", { class: "note" });
    this.reset = element("button", { type: "button", text: "Undo all changes", onclick: () => this.set(UNCHANGED) });
    root.append(
      element("label", { class: "check" }, this.reversed, ` read ${whole} ${last}`),
      element("div", { class: "buttons" }, this.skip, this.erase),
      ...this.gates.map(({ label }) => label), this.list, this.reset,
    );
  }

  set(values) {
    this.value = { ...this.value, ...values };
    this.changed(this.value);
  }

  toggle(what) {
    const row = this.row();
    if (row === null) return;
    const rows = this.value[what];
    this.set({ [what]: rows.includes(row) ? rows.filter((one) => one !== row) : [...rows, row].sort((a, b) => a - b) });
  }

  hold(gate, value) {
    const { [gate]: _, ...others } = this.value.held;
    this.set({ held: value === "" ? others : { ...others, [gate]: Number(value) } });
  }

  show(value) {
    this.value = value;
    this.reversed.checked = value.reversed;
    const row = this.row();
    for (const [what, button] of [["skipped", this.skip], ["erased", this.erase]]) {
      const is = row !== null && value[what].includes(row);
      setText(button, row === null ? `${this.words[what][0]} this ${this.noun}` : `${this.words[what][Number(is)]} ${this.noun} ${row + 1}`);
      button.disabled = row === null;
    }
    for (const { gate, select } of this.gates) select.value = value.held[gate] ?? "";
    setText(this.list, described(value, this.noun));
    this.reset.disabled = !isChanged(value);
  }
}

export function isChanged({ reversed, skipped, erased, held }) {
  return reversed || skipped.length > 0 || erased.length > 0 || Object.keys(held).length > 0;
}

function described({ reversed, skipped, erased, held }, noun) {
  const numbers = (rows) => rows.map((row) => row + 1).join(", ");
  const parts = [
    reversed ? "read backward" : "",
    skipped.length ? `${noun} ${numbers(skipped)} skipped` : "",
    erased.length ? `erased before ${noun} ${numbers(erased)}` : "",
    ...Object.entries(held).map(([gate, value]) => `${gate} held at ${value}`),
  ].filter(Boolean);
  return parts.length ? `Now: ${parts.join("; ")}.` : "Nothing is changed.";
}

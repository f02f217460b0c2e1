// What is read, as the network reads it: a picture row by row, or the features of a sequence as lines.
import { LineChart } from "./charts.js";
import { colour } from "./colours.js";
import { element, place } from "./dom.js";

const MOST_LINES = 16;
const TITLE = "input x";

export class InputView {
  constructor({ kind, features }) {
    this.features = features;
    this.picture = kind !== "lines" || features.length > MOST_LINES;
    this.down = kind !== "lines";
    this.flipped = this.picture && !this.down; // the first number at the bottom, as in a spectrogram
    if (this.picture) {
      this.canvas = element("canvas", { class: "heat", role: "img" });
      this.cursor = element("div", { class: "cursor" });
      this.figure = element("figure", { class: `map input ${this.down ? "down" : "across"}` },
        element("figcaption", { text: TITLE }), element("div", { class: "frame" }, this.canvas, this.cursor));
    } else {
      this.chart = new LineChart(TITLE);
      this.figure = this.chart.figure;
    }
  }

  // rows: of the sequence; order: of those that are read, of which the first t have been.
  show(rows, order, t) {
    const read = new Set(order.slice(0, t));
    const now = t ? order[t - 1] : null;
    if (!this.picture) {
      const lines = this.features.map((name, k) => ({ name, values: rows.map((row, n) => (read.has(n) ? row[k] : null)) }));
      this.chart.show(lines, now);
      return;
    }
    const [steps, width] = [rows.length, rows[0]?.length ?? 0];
    Object.assign(this.canvas, this.down ? { width, height: steps } : { width: steps, height: width });
    if (!width) return;
    const kind = this.down ? "ink" : "signed";
    const bound = this.down ? 1 : rows.reduce((most, row) => row.reduce((a, b) => Math.max(a, Math.abs(b)), most), 1e-9);
    const context = this.canvas.getContext("2d");
    const image = context.createImageData(this.canvas.width, this.canvas.height);
    rows.forEach((row, step) => row.forEach((one, k) => {
      const faint = read.has(step) ? 1 : 0.28;
      const rgb = kind === "ink" ? [255 * one, 255 * one, 255 * one] : colour("signed", one / bound);
      const at = 4 * (this.down ? step * width + k : (width - 1 - k) * steps + step);
      image.data.set([...rgb, 255 * faint], at);
    }));
    context.putImageData(image, 0, 0);
    place(this.cursor, now, steps, !this.down);
    this.canvas.setAttribute("aria-label", `${TITLE}: ${steps} steps of ${width} numbers, ${t} of them read`);
  }
}

// A picture of numbers, one pixel each: steps along one side, units (or classes, or pixels) along the other.
import { colour, unread } from "./colours.js";
import { element, place, setText } from "./dom.js";

export class HeatMap {
  // down: whether steps go down the page, as the rows of a picture do. choose(unit): when one is clicked.
  constructor({ title, kind, down, choose = null }) {
    Object.assign(this, { title, kind, down, choose });
    this.canvas = element("canvas", {
      role: "img", class: "heat", ...(choose && { onclick: (event) => this.clicked(event) }),
    });
    this.cursor = element("div", { class: "cursor" });
    this.mark = element("div", { class: "mark", hidden: true });
    this.caption = element("figcaption");
    this.frame = element("div", { class: "frame" }, this.canvas, this.cursor, this.mark);
    this.figure = element("figure", { class: `map ${down ? "down" : "across"}` }, this.caption, this.frame);
    setText(this.caption, title);
  }

  // rows: of each step the numbers of all units, or null where it hasn't been read; order: of the units.
  show(rows, { order = null, bound = 1, now = null, chosen = null, caption = null }) {
    const steps = rows.length;
    const units = rows.find(Boolean)?.length ?? 0;
    this.order = order;
    this.units = units;
    const [width, height] = this.down ? [units, steps] : [steps, units];
    if (this.canvas.width !== width || this.canvas.height !== height) Object.assign(this.canvas, { width, height });
    if (width && height) this.paint(rows, order, bound, width, height);
    setText(this.caption, caption ?? this.title);
    this.canvas.setAttribute("aria-label", `${caption ?? this.title}, ${steps} steps of ${units}`);
    place(this.cursor, now, steps, !this.down);
    place(this.mark, chosen === null ? null : order ? order.indexOf(chosen) : chosen, units, this.down);
  }

  paint(rows, order, bound, width, height) {
    const context = this.canvas.getContext("2d");
    const image = context.createImageData(width, height);
    const table = this.table ??= new Map();
    const blank = unread();
    rows.forEach((row, step) => {
      for (let k = 0; k < this.units; k++) {
        const [red, green, blue] = row ? this.colourOf(row[order ? order[k] : k] / bound, table) : blank;
        const at = 4 * (this.down ? step * width + k : k * width + step);
        image.data[at] = red;
        image.data[at + 1] = green;
        image.data[at + 2] = blue;
        image.data[at + 3] = 255;
      }
    });
    context.putImageData(image, 0, 0);
  }

  colourOf(value, table) {
    const level = Math.round(value * 200);
    if (!table.has(level)) table.set(level, colour(this.kind, level / 200));
    return table.get(level);
  }

  forgetColours() {
    this.table = null;
  }

  clicked(event) {
    const box = this.canvas.getBoundingClientRect();
    const share = this.down ? (event.clientX - box.left) / box.width : (event.clientY - box.top) / box.height;
    const place = Math.min(Math.max(Math.floor(share * this.units), 0), this.units - 1);
    this.choose(this.order ? this.order[place] : place);
  }
}

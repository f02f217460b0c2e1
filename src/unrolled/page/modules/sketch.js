// The sheet that is drawn on, by mouse, finger or pen.
import { MARGIN, PAPER, inked, simplified } from "./strokes.js";

export class Sketch {
  // changed(strokes, done): while a stroke grows, and when it is done.
  constructor(canvas, changed) {
    this.canvas = canvas;
    this.changed = changed;
    this.strokes = [];
    this.current = null;
    Object.assign(canvas, { width: PAPER, height: PAPER });
    canvas.addEventListener("pointerdown", (event) => this.begin(event));
    canvas.addEventListener("pointermove", (event) => this.go(event));
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, (event) => this.end(event));
    this.paint(inked([]));
  }

  set(strokes) {
    this.strokes = strokes;
    this.current = null;
  }

  begin(event) {
    if (this.current || event.button > 0) return;
    event.preventDefault();
    this.canvas.setPointerCapture(event.pointerId);
    this.pointer = event.pointerId;
    this.current = [this.point(event)];
    this.changed([...this.strokes, this.current], false);
  }

  go(event) {
    if (!this.current || event.pointerId !== this.pointer) return;
    const events = event.getCoalescedEvents?.() ?? [];
    for (const each of events.length ? events : [event]) this.current.push(this.point(each));
    this.changed([...this.strokes, this.current], false);
  }

  end(event) {
    if (!this.current || event.pointerId !== this.pointer) return;
    this.strokes = [...this.strokes, simplified(this.current)];
    this.current = null;
    this.changed(this.strokes, true);
  }

  point(event) {
    const box = this.canvas.getBoundingClientRect();
    const place = (at, from, length) => ((at - from) / length) * PAPER - MARGIN;
    return [place(event.clientX, box.left, box.width), place(event.clientY, box.top, box.height)];
  }

  // Show grey levels, as they lie in the file that is saved.
  paint({ width, height, values }) {
    Object.assign(this.canvas, { width, height });
    this.canvas.classList.toggle("coarse", width < PAPER);
    paintGrey(this.canvas, values);
  }
}

export function paintGrey(canvas, values) {
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  values.forEach((one, at) => image.data.set([one, one, one, 255], 4 * at));
  context.putImageData(image, 0, 0);
}

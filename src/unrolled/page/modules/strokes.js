// A drawing: strokes, each a line through points [x, y] of whole numbers from 0 to 255; as ink, and as text.
import { picture } from "./shapes.js";

export const RANGE = 256; // of a point's coordinates
export const MARGIN = 12; // of paper around them, more than half a pen
export const PAPER = RANGE + 2 * MARGIN; // the side of the picture
const PEN = 10; // half its width
const MOST_POINTS = 255; // of a stroke, in one byte

// The picture of a drawing, black on white: 280 x 280 grey levels. A pixel at the edge of a stroke is grey.
export function inked(strokes) {
  const paper = picture(PAPER, PAPER, new Float32Array(PAPER * PAPER).fill(255));
  for (const stroke of strokes) {
    for (let k = 0; k < stroke.length; k++) drawSegment(paper, stroke[Math.max(k - 1, 0)], stroke[k]);
  }
  return paper;
}

function drawSegment(paper, [fromX, fromY], [toX, toY]) {
  const low = (a, b) => Math.max(Math.min(a, b) + MARGIN - PEN - 1, 0);
  const high = (a, b) => Math.min(Math.max(a, b) + MARGIN + PEN + 1, PAPER - 1);
  const [dx, dy] = [toX - fromX, toY - fromY];
  const square = dx * dx + dy * dy;
  for (let y = low(fromY, toY); y <= high(fromY, toY); y++) {
    for (let x = low(fromX, toX); x <= high(fromX, toX); x++) {
      const [px, py] = [x - MARGIN - fromX, y - MARGIN - fromY];
      const along = square ? Math.min(Math.max((px * dx + py * dy) / square, 0), 1) : 0;
      const distance = Math.hypot(px - along * dx, py - along * dy);
      const cover = Math.min(Math.max(PEN + 0.5 - distance, 0), 1);
      const at = y * PAPER + x;
      paper.values[at] = Math.min(paper.values[at], Math.round(255 * (1 - cover)));
    }
  }
}

// The stroke with no more points than its form needs: none that lies within `tolerance` of the line without it.
export function simplified(stroke, tolerance = 0.8) {
  const points = stroke.map(([x, y]) => [whole(x), whole(y)]);
  if (points.length < 3) return points;
  const [first, last] = [points[0], points.at(-1)];
  let [far, place] = [tolerance, 0];
  for (let k = 1; k < points.length - 1; k++) {
    const distance = fromSegment(points[k], first, last);
    if (distance > far) [far, place] = [distance, k];
  }
  if (!place) return [first, last];
  return [...simplified(points.slice(0, place + 1), tolerance), ...simplified(points.slice(place), tolerance).slice(1)];
}

function whole(number) {
  return Math.min(Math.max(Math.round(number), 0), RANGE - 1);
}

function fromSegment([x, y], [fromX, fromY], [toX, toY]) {
  const [dx, dy] = [toX - fromX, toY - fromY];
  const square = dx * dx + dy * dy;
  const along = square ? Math.min(Math.max(((x - fromX) * dx + (y - fromY) * dy) / square, 0), 1) : 0;
  return Math.hypot(x - fromX - along * dx, y - fromY - along * dy);
}

// As bytes: of each stroke how many points it has, then their x and y.
export function strokesToBytes(strokes) {
  const pieces = strokes.flatMap((stroke) =>
    Array.from({ length: Math.ceil(stroke.length / (MOST_POINTS - 1)) }, (_, k) =>
      stroke.slice(k * (MOST_POINTS - 1), (k + 1) * (MOST_POINTS - 1) + 1),
    ).filter((piece, k) => piece.length > 1 || k === 0),
  );
  return Uint8Array.from(pieces.flatMap((piece) => [piece.length, ...piece.flat()]));
}

// The strokes of these bytes; what is cut short ends where it was cut.
export function strokesFromBytes(numbers) {
  const strokes = [];
  for (let at = 0; at < numbers.length; ) {
    const end = Math.min(at + 1 + 2 * numbers[at], numbers.length);
    const stroke = [];
    for (let k = at + 1; k + 1 < end; k += 2) stroke.push([numbers[k], numbers[k + 1]]);
    if (stroke.length) strokes.push(stroke);
    at += 1 + 2 * numbers[at];
  }
  return strokes;
}

// The strokes of a picture as unrolled.training.strokes describes them: its edges, by part and direction.
const [DIRECTIONS, PARTS] = [8, 4];
const LEAST = 1e-6;

// rows: grey values from 0 to 1, Float32Array [width] each. 128 numbers: 16 to each direction.
export function edgesOf(rows) {
  const [height, width] = [rows.length, rows[0].length];
  const smooth = smoothed(rows);
  const near = (y, x) => smooth[Math.min(Math.max(y, 0), height - 1) * width + Math.min(Math.max(x, 0), width - 1)];
  const shares = Array.from({ length: DIRECTIONS }, () => new Float64Array(height * width));
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const right = (near(y, x + 1) - near(y, x - 1)) / 2;
      const down = (near(y + 1, x) - near(y - 1, x)) / 2;
      const length = Math.hypot(right, down);
      const place = (Math.atan2(down, right) * DIRECTIONS) / (2 * Math.PI) + DIRECTIONS;
      const first = Math.floor(place);
      shares[first % DIRECTIONS][y * width + x] += length * (1 - place + first);
      shares[(first + 1) % DIRECTIONS][y * width + x] += length * (place - first);
    }
  }
  const edges = shares.flatMap((share) => pooled(share, height, width));
  const mean = edges.reduce((sum, one) => sum + one, 0) / edges.length;
  return edges.map((one) => Math.sqrt(one / Math.max(mean, LEAST)));
}

// The mean of 3 x 3 pixels, with nothing beyond the border.
function smoothed(rows) {
  const [height, width] = [rows.length, rows[0].length];
  return Float64Array.from({ length: height * width }, (_, at) => {
    const [y, x] = [Math.floor(at / width), at % width];
    let sum = 0;
    for (let row = y - 1; row <= y + 1; row++) for (let column = x - 1; column <= x + 1; column++) sum += rows[row]?.[column] ?? 0;
    return sum / 9;
  });
}

// The mean of each of 4 x 4 parts, which share a line where the picture cannot be divided.
function pooled(values, height, width) {
  const part = (number, size) => [Math.floor((number * size) / PARTS), Math.ceil(((number + 1) * size) / PARTS)];
  return Array.from({ length: PARTS ** 2 }, (_, number) => {
    const [top, bottom] = part(Math.floor(number / PARTS), height);
    const [left, right] = part(number % PARTS, width);
    let sum = 0;
    for (let y = top; y < bottom; y++) for (let x = left; x < right; x++) sum += values[y * width + x];
    return sum / ((bottom - top) * (right - left));
  });
}

// Shapes in pictures, as unrolled.data.morphology has them. A picture is {height, width, values}, row by row.

export function picture(height, width, values = new Float32Array(height * width)) {
  return { height, width, values };
}

export function map(of, make) {
  return picture(of.height, of.width, of.values.map(make));
}

export function mask(of, test) {
  const values = new Uint8Array(of.values.length);
  for (let at = 0; at < values.length; at++) if (test(of.values[at], at)) values[at] = 1;
  return picture(of.height, of.width, values);
}

export function turned({ height, width, values }) {
  const other = new values.constructor(values.length);
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) other[x * height + y] = values[y * width + x];
  return picture(width, height, other);
}

// The number of the group that each pixel is in, from 1; 0 where the mask is 0. Diagonal neighbours touch.
// Groups are numbered in the order of their first pixels. Also how many there are.
export function grouped({ height, width, values }) {
  const number = new Int32Array(values.length);
  const waiting = [];
  let count = 0;
  for (let start = 0; start < values.length; start++) {
    if (!values[start] || number[start]) continue;
    number[start] = ++count;
    waiting.push(start);
    while (waiting.length) {
      const at = waiting.pop();
      const [y, x] = [Math.floor(at / width), at % width];
      for (let row = Math.max(y - 1, 0); row <= Math.min(y + 1, height - 1); row++) {
        for (let column = Math.max(x - 1, 0); column <= Math.min(x + 1, width - 1); column++) {
          const next = row * width + column;
          if (values[next] && !number[next]) {
            number[next] = count;
            waiting.push(next);
          }
        }
      }
    }
  }
  return { height, width, values: number, count };
}

// For each group, from 1, its size, the sum of some weights over it, and the rectangle around it.
export function measured(groups, weights = null) {
  const found = Array.from({ length: groups.count + 1 }, () => ({
    size: 0, mass: 0, top: Infinity, left: Infinity, bottom: -1, right: -1,
  }));
  for (let at = 0, y = 0, x = 0; at < groups.values.length; at++, x++) {
    if (x === groups.width) {
      x = 0;
      y++;
    }
    if (!groups.values[at]) continue;
    const one = found[groups.values[at]];
    one.size++;
    one.mass += weights ? weights[at] : 1;
    one.top = Math.min(one.top, y);
    one.bottom = Math.max(one.bottom, y);
    one.left = Math.min(one.left, x);
    one.right = Math.max(one.right, x);
  }
  return found;
}

export function extent({ top, left, bottom, right }) {
  return Math.max(bottom - top, right - left) + 1;
}

// The greatest value within `by` pixels, straight or diagonal.
export function grown(of, by = 1) {
  return alongRows(turned(alongRows(turned(of), by)), by);
}

// The greatest within `by` pixels of the same row: each pass reaches twice as far as the one before.
function alongRows({ height, width, values }, by) {
  let now = values;
  for (let done = 0; done < by; ) {
    const more = Math.min(done + 1, by - done);
    const next = now.slice();
    for (let y = 0; y < height; y++) {
      const [from, until] = [y * width, (y + 1) * width];
      for (let at = from; at < until; at++) {
        if (at - more >= from && now[at - more] > next[at]) next[at] = now[at - more];
        if (at + more < until && now[at + more] > next[at]) next[at] = now[at + more];
      }
    }
    now = next;
    done += more;
  }
  return picture(height, width, now);
}

// What of a mask is farther than `by` pixels from all that is not in it; the picture's border is no edge.
export function shrunk(of, by = 1) {
  return mask(grown(mask(of, (one) => !one), by), (one) => !one);
}

// How wide strokes are: a line of width w and length l has l w pixels, of which 2 l are its outline.
export function strokeWidth(strokes) {
  const { height, width, values } = strokes;
  const framed = padded(strokes, 1);
  const inner = shrunk(framed);
  let all = 0;
  let inside = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      all += values[y * width + x];
      inside += inner.values[(y + 1) * framed.width + x + 1];
    }
  }
  return (2 * all) / Math.max(all - inside, 1);
}

export function padded({ height, width, values }, by) {
  const wide = width + 2 * by;
  const other = new values.constructor((height + 2 * by) * wide);
  for (let y = 0; y < height; y++) other.set(values.subarray(y * width, (y + 1) * width), (y + by) * wide + by);
  return picture(height + 2 * by, wide, other);
}

export function cropped({ width, values }, { top, left, bottom, right }) {
  const [tall, wide] = [bottom - top + 1, right - left + 1];
  const other = new values.constructor(tall * wide);
  for (let y = 0; y < tall; y++) {
    const from = (top + y) * width + left;
    other.set(values.subarray(from, from + wide), y * wide);
  }
  return picture(tall, wide, other);
}

// A mask with its holes: all that isn't connected with the picture's border outside it.
export function filled(area) {
  const framed = padded(area, 1);
  const outside = grouped(mask(framed, (one) => !one));
  const first = outside.values[0];
  return mask(area, (_, at) => {
    const [y, x] = [Math.floor(at / area.width), at % area.width];
    return outside.values[(y + 1) * framed.width + x + 1] !== first;
  });
}

export function median(numbers) {
  const sorted = Float64Array.from(numbers).sort();
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

// To the nearest whole number, halves to the even one.
export function rint(number) {
  const down = Math.floor(number);
  const rest = number - down;
  return rest > 0.5 || (rest === 0.5 && down % 2 !== 0) ? down + 1 : down;
}

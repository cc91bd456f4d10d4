// Curves as the page carries them: spelled out, smoothed, and placed in steps, tokens or time.

/** Null stands for what is no number. */
const toNumber = (value) => (value === null ? NaN : value);

/** A line with all places written out; `even` is first place, distance, last place. Bundled points have a range. */
function decodeLine(line) {
  const count = line.y.length;
  const place = (i) => (i === count - 1 ? line.even[2] : line.even[0] + i * line.even[1]);
  const x = line.x ?? Array.from({ length: count }, (_, i) => place(i));
  return {
    ...line,
    x,
    ends: line.ends ?? [x[0], x[count - 1]],
    y: line.y.map(toNumber),
    low: (line.low ?? line.y).map(toNumber),
    high: (line.high ?? line.y).map(toNumber),
    bundled: line.low !== undefined,
  };
}

/** The middle of some numbers. */
function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

/**
 * Debiased exponential moving average, as the page itself draws it: the past weighs `past` for each unit of distance,
 * where the unit is the median distance of points, or a thousandth of the curve if that is more. Holes stay holes.
 */
function smooth(x, y, past) {
  if (x.length < 2) return y;
  const gaps = x.slice(1).map((at, i) => at - x[i]);
  const unit = Math.max(median(gaps), (x[x.length - 1] - x[0]) / 1000);
  let mean = 0;
  let weight = 0;
  let before = null;
  return y.map((value, i) => {
    if (!Number.isFinite(value)) return NaN;
    const kept = before === null ? past : past ** ((x[i] - before) / unit);
    before = x[i];
    mean = kept * mean + (1 - kept) * value;
    weight = kept * weight + (1 - kept);
    return mean / weight;
  });
}

/** Index of the first of the rising numbers `xs` that is at least `x`. */
function lowerBound(xs, x) {
  let low = 0;
  let high = xs.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (xs[middle] < x) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Index of the number nearest to `x`. */
function nearest(xs, x) {
  const after = lowerBound(xs, x);
  if (after === 0) return 0;
  if (after === xs.length) return xs.length - 1;
  return x - xs[after - 1] <= xs[after] - x ? after - 1 : after;
}

/** The value at `x` on straight lines through the points, from the origin on; behind the last point it stays. */
function between(xs, ys, x) {
  const after = lowerBound(xs, x);
  if (after === xs.length) return ys[ys.length - 1];
  const [x0, y0] = after === 0 ? [0, 0] : [xs[after - 1], ys[after - 1]];
  const width = xs[after] - x0;
  return width > 0 ? y0 + ((ys[after] - y0) * (x - x0)) / width : ys[after];
}

/** Where a step of a run lies on the axis `axis`. */
function placeOf(run, axis, step) {
  return axis === "step" ? step : between(...run.clock[axis], step);
}

/** The step at a place on the axis. */
function stepOf(run, axis, place) {
  if (axis === "step") return place;
  const [steps, places] = run.clock[axis];
  return between(places, steps, place);
}

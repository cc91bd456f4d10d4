// Axes and numbers, written as the page itself writes them.

const MINUS = "\u2212";

/** `1,234,567`. */
function grouped(x) {
  const digits = Math.abs(x).toFixed(0).replace(/\B(?=(\d{3})+$)/g, ",");
  return x <= -0.5 ? MINUS + digits : digits;
}

/** A number with so many significant digits. */
function significant(x, digits) {
  if (!Number.isFinite(x)) return "not a number";
  if (x === 0) return "0";
  const size = Math.floor(Math.log10(Math.abs(x)));
  if ((Number.isInteger(x) || size >= digits) && Math.abs(x) < 1e15) return grouped(x);
  if (size < -4 || size >= 15) return x.toExponential(digits - 1).replace("e+", "e").replaceAll("-", MINUS);
  return x.toFixed(Math.max(0, digits - 1 - size)).replace("-", MINUS);
}

/** `1.23M`. */
function short(x) {
  const units = [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]];
  const [unit, letter] = units.find(([unit]) => Math.abs(x) >= unit) ?? [1, ""];
  return significant(x / unit, 3) + letter;
}

/** `1 h 23 min`. */
function duration(seconds) {
  if (seconds < 60) return `${significant(seconds, 2)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** How the ticks of an axis are written, given its largest value and its step: all with the same decimals. */
function labels(largest, step) {
  const units = [[1e16, 1, ""], [1e10, 1e9, "G"], [1e7, 1e6, "M"], [1e4, 1e3, "k"]];
  const [, unit, suffix] = units.find(([from]) => largest >= from) ?? [0, 1, ""];
  const exponent = Math.floor(Math.log10(step) + 1e-9);
  const decimals = Math.min(12, Math.max(0, -Math.floor(Math.log10(step / unit) + 1e-9)));
  return (value) => {
    if (Math.abs(value) < step * 1e-6) return "0";
    if (largest < 2e-3 || largest >= 1e16) {
      return `${(value / 10 ** exponent).toFixed(0)}e${exponent}`.replaceAll("-", MINUS);
    }
    const shown = value / unit;
    return (decimals === 0 ? grouped(shown) : shown.toFixed(decimals)).replace("-", MINUS) + suffix;
  };
}

/** The least of 1, 2, 5, 10 times a power of ten that is at least `raw`. */
function niceStep(raw) {
  const power = 10 ** Math.floor(Math.log10(raw));
  return power * ([1, 2, 5].find((times) => raw <= times * power * (1 + 1e-9)) ?? 10);
}

/** A range that has a length. */
function widened(low, high) {
  const around = Math.max(Math.abs(low), Math.abs(high));
  if (high - low > around * 1e-9 && high - low > 1e-300) return [low, high];
  const margin = around > 1e-290 ? around * 0.1 : 1;
  return [low - margin, high + margin];
}

/** A linear axis; with `round` its ends are ticks as well. */
function linearAxis(from, to, count, round) {
  let [low, high] = widened(from, to);
  const step = niceStep((high - low) / count);
  if (round) [low, high] = [Math.floor(low / step) * step, Math.ceil(high / step) * step];
  const label = labels(Math.max(Math.abs(low), Math.abs(high)), step);
  const place = (value) => (value - low) / (high - low);
  const ticks = [];
  for (let i = Math.ceil(low / step - 1e-9); i <= Math.floor(high / step + 1e-9); i += 1) {
    ticks.push({ at: place(i * step), label: label(i * step) });
  }
  return { low, high, ticks, place, value: (at) => low + at * (high - low) };
}

/** A logarithmic axis that ends at 1, 2 or 5 times a power of ten. */
function logAxis(from, to) {
  let [low, high] = from < to ? [from, to] : [from / 2, to * 2];
  const stops = [];
  for (let e = Math.floor(Math.log10(low)); e <= Math.ceil(Math.log10(high)); e += 1) {
    stops.push(...[1, 2, 5].map((times) => times * 10 ** e));
  }
  low = stops.filter((stop) => stop <= low * (1 + 1e-9)).pop() ?? low;
  high = stops.find((stop) => stop >= high * (1 - 1e-9)) ?? high;
  const width = Math.log(high) - Math.log(low);
  const place = (value) => (Math.log(value) - Math.log(low)) / width;
  const decades = width / Math.LN10;
  const every = Math.max(1, Math.ceil(decades / 5));
  const shown = stops.filter((stop) => {
    const power = Math.log10(stop);
    const whole = Math.abs(power - Math.round(power)) < 1e-9;
    if (stop < low * (1 - 1e-9) || stop > high * (1 + 1e-9)) return false;
    return decades <= 2.8 || (whole && Math.round(power) % every === 0);
  });
  const ticks = shown.map((stop) => ({ at: place(stop), label: labels(stop, stop)(stop) }));
  return { low, high, ticks, place, value: (at) => Math.exp(Math.log(low) + at * width) };
}

/** The x axis over `low..high` of steps, tokens or seconds, and its caption. */
function placeAxis(axis, low, high) {
  if (axis !== "seconds") return { ...linearAxis(low, high, 6, false), caption: axis };
  const units = [[172800, 86400, "days"], [7200, 3600, "hours"], [120, 60, "minutes"], [0, 1, "seconds"]];
  const [, unit, word] = units.find(([from]) => high >= from) ?? units[3];
  const inner = linearAxis(low / unit, high / unit, 6, false);
  return {
    ...inner,
    low,
    high,
    place: (value) => inner.place(value / unit),
    value: (at) => inner.value(at) * unit,
    caption: `${word} of work`,
  };
}

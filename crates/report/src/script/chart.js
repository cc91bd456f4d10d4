// A chart: the figure that the page came with, drawn anew whenever what is shown changes.

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 10000;
const HEIGHT = 2400;
/** Curves of no more points get a marker each. */
const MARKED = 40;

/** An SVG element with attributes and perhaps a text. */
function svg(tag, attributes, text) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

/** An HTML element of a class with perhaps a text. */
function html(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

const share = (at) => `${(at * 100).toFixed(3)}%`;

class Chart {
  /** Take over `figure`, whose numbers lie beside it. */
  constructor(figure, state) {
    const data = JSON.parse(figure.querySelector("script").textContent);
    this.figure = figure;
    this.state = state;
    this.log = data.log === 1;
    this.fromZero = data.zero === 1;
    this.levels = data.levels;
    this.marks = data.marks;
    this.lines = data.lines.map(decodeLine);
    this.hidden = new Set();
    this.plot = figure.querySelector("svg.plot");
    this.title = figure.querySelector("h3").firstChild.textContent.trim();
    // Markers and dashes are drawn as the legend of the page draws them.
    const legend = [...figure.querySelectorAll(".legend li")];
    this.markers = legend.map((item) => item.querySelector("path.dot")?.getAttribute("d"));
    this.stage = this.wrapped();
    this.stale = false;
    if (this.lines.length > 1) this.switches(legend.slice(0, this.lines.length));
    if (this.lines.some((line) => line.high.some((value) => value > 0))) this.logSwitch();
    this.axis = null;
    state.listen(() => this.later());
  }

  /** A focusable stage around the picture. */
  wrapped() {
    const stage = html("div", "stage");
    stage.tabIndex = 0;
    stage.setAttribute("role", "slider");
    stage.setAttribute("aria-label", `${this.title}: place on the curve`);
    stage.setAttribute("aria-orientation", "horizontal");
    const about = this.plot.querySelector("desc");
    if (about) stage.setAttribute("aria-describedby", about.id);
    this.plot.replaceWith(stage);
    stage.append(this.plot);
    return stage;
  }

  /** Entries of the legend turn curves off and on. */
  switches(items) {
    items.forEach((item, i) => {
      const button = html("button", "");
      button.type = "button";
      button.append(...item.childNodes);
      item.append(button);
      button.setAttribute("aria-pressed", "true");
      button.addEventListener("click", () => {
        const hide = !this.hidden.has(i);
        if (hide) this.hidden.add(i);
        else this.hidden.delete(i);
        button.setAttribute("aria-pressed", String(!hide));
        this.later();
      });
    });
  }

  /** A button for the logarithmic axis. */
  logSwitch() {
    const note = this.figure.querySelector("h3 .log");
    note?.remove();
    const button = html("button", "switch", "Log axis");
    button.type = "button";
    button.setAttribute("aria-pressed", String(this.log));
    button.setAttribute("aria-label", `Log axis: ${this.title}`);
    button.addEventListener("click", () => {
      this.log = !this.log;
      button.setAttribute("aria-pressed", String(this.log));
      this.later();
    });
    this.figure.querySelector("figcaption").append(button);
  }

  /** Draw before the next frame, once. */
  later() {
    if (this.stale) return;
    this.stale = true;
    requestAnimationFrame(() => {
      this.stale = false;
      this.draw();
    });
  }

  /** The lines that are shown. */
  shown() {
    return this.lines.filter((_, i) => !this.hidden.has(i));
  }

  /** Places of a line's points on the axis that is chosen. */
  placesOf(line) {
    const { axis, runs } = this.state;
    if (axis === "step") return line.x;
    if (line.placedOn !== axis) {
      line.placedOn = axis;
      line.placed = line.x.map((step) => placeOf(runs[line.run], axis, step));
    }
    return line.placed;
  }

  /** What the strong curve of a line shows. */
  valuesOf(line) {
    if (!line.noisy) return line.y;
    const { past } = this.state;
    if (line.past !== past) {
      line.past = past;
      line.smoothed = smooth(line.x, line.y, past);
    }
    return line.smoothed;
  }

  /** Both axes over what is to be seen. */
  axes() {
    const { axis, window, runs } = this.state;
    const lines = this.shown().length > 0 ? this.shown() : this.lines;
    let [first, last] = [Infinity, -Infinity];
    for (const line of lines) {
      const [begin, end] = line.ends.map((step) => placeOf(runs[line.run], axis, step));
      first = Math.min(first, begin);
      last = Math.max(last, end);
    }
    const [from, to] = window ?? [first, last];
    let [low, high] = [Infinity, -Infinity];
    const take = (value) => {
      if (!Number.isFinite(value) || (this.log && value <= 0)) return;
      low = Math.min(low, value);
      high = Math.max(high, value);
    };
    for (const line of lines) {
      this.placesOf(line).forEach((place, i) => {
        if (place < from || place > to) return;
        take(line.low[i]);
        take(line.high[i]);
      });
    }
    if (!window) this.levels.forEach((level) => take(level.value));
    if (low > high) [low, high] = this.log ? [1, 10] : [0, 1];
    const y = this.log ? logAxis(low, high) : linearAxis(this.fromZero ? Math.min(low, 0) : low, high, 5, true);
    return [placeAxis(axis, ...widened(from, to)), y];
  }

  /** Draw all of it. */
  draw() {
    const [x, y] = this.axes();
    this.axis = { x, y };
    const kept = [...this.plot.querySelectorAll(":scope > title, :scope > desc")];
    this.plot.replaceChildren(...kept, ...this.grid(x, y), ...this.notes(x, y), this.curves(x, y), ...this.dots(x, y));
    this.figure.dispatchEvent(new Event("drawn"));
  }

  grid(x, y) {
    const across = (at, name) => svg("line", { class: name, x1: 0, x2: "100%", y1: share(1 - at), y2: share(1 - at) });
    const parts = y.ticks.flatMap((tick) => [
      across(tick.at, "grid"),
      svg("text", { class: "tick y", x: 0, y: share(1 - tick.at), dx: -8, dy: 4 }, tick.label),
    ]);
    parts.push(across(0, "base"));
    x.ticks.forEach((tick, i) => {
      const name = i % 2 === 0 ? "tick x" : "tick x minor";
      parts.push(svg("text", { class: name, x: share(tick.at), y: "100%", dy: 19 }, tick.label));
    });
    parts.push(svg("text", { class: "tick x", x: "50%", y: "100%", dy: 38 }, x.caption));
    return parts;
  }

  /** Levels and marks. */
  notes(x, y) {
    const inside = (at) => at >= 0 && at <= 1;
    const levels = this.levels.map((level) => y.place(level.value)).filter(inside);
    const parts = levels.map((at) =>
      svg("line", { class: "level", x1: 0, x2: "100%", y1: share(1 - at), y2: share(1 - at) }),
    );
    const { axis, runs } = this.state;
    for (const mark of this.marks) {
      const places = mark.steps.map((step) => x.place(placeOf(runs[0], axis, step))).filter(inside);
      const name = mark.tall ? "event" : "skip";
      for (const at of new Set(places.map(share))) {
        parts.push(svg("line", { class: name, x1: at, x2: at, y1: mark.tall ? 0 : "96%", y2: "100%" }));
      }
    }
    return parts;
  }

  curves(x, y) {
    const view = { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", width: "100%", height: "100%" };
    const inner = svg("svg", { ...view, class: this.state.window ? "clip" : "" });
    for (const line of this.shown()) {
      const look = `line look-${line.look % 7} dash-${(line.look + Math.floor(line.look / 7)) % 7}`;
      if (line.noisy || line.bundled) {
        const extremes = this.path(line, [line.low, line.high], x, y);
        inner.append(svg("path", { class: line.noisy ? `${look} faint` : look, d: extremes }));
      }
      if (line.noisy || !line.bundled) {
        inner.append(svg("path", { class: look, d: this.path(line, [this.valuesOf(line)], x, y) }));
      }
    }
    return inner;
  }

  /** One stroke through one or both rows of values, over what is in the window and its neighbours. */
  path(line, rows, x, y) {
    const places = this.placesOf(line);
    const from = Math.max(0, lowerBound(places, x.low) - 1);
    const to = Math.min(places.length, lowerBound(places, x.high) + 2);
    const same = rows.length === 2 && !line.bundled;
    const parts = [];
    let drawing = false;
    for (let i = from; i < to; i += 1) {
      const values = same ? [rows[0][i]] : rows.map((row) => row[i]);
      const good = values.every((value) => Number.isFinite(value) && (!this.log || value > 0));
      if (good) {
        for (const value of values) {
          const at = `${Math.round(x.place(places[i]) * WIDTH)} ${Math.round((1 - y.place(value)) * HEIGHT)}`;
          parts.push((drawing ? " " : "M") + at);
          drawing = true;
        }
      } else {
        drawing = false;
      }
    }
    return parts.join("");
  }

  dots(x, y) {
    const parts = [];
    this.lines.forEach((line, i) => {
      if (this.hidden.has(i) || line.noisy || line.x.length > MARKED) return;
      const places = this.placesOf(line);
      line.y.forEach((value, j) => {
        const at = x.place(places[j]);
        if (!Number.isFinite(value) || (this.log && value <= 0) || at < -1e-9 || at > 1 + 1e-9) return;
        const inner = svg("svg", { x: share(at), y: share(1 - y.place(value)), overflow: "visible" });
        const marker = this.markers[i] ?? "M-3.5 0a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0-7 0z";
        inner.append(svg("path", { class: `dot look-${line.look % 7}`, d: marker }));
        parts.push(inner);
      });
    });
    return parts;
  }
}

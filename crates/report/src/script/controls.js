// What all charts share: how smooth, over what, and how close. A bar of controls stands above the charts.

/** What was chosen, and who wants to know of changes. */
class State {
  constructor(runs) {
    this.runs = runs;
    this.past = 0.6;
    this.axis = "step";
    this.window = null;
    this.listeners = [];
  }

  listen(listener) {
    this.listeners.push(listener);
  }

  change(what) {
    Object.assign(this, what);
    this.listeners.forEach((listener) => listener());
  }

  /** Look closely at a stretch of the axis. */
  look(from, to) {
    if (to - from > 1e-9 * Math.max(1, Math.abs(to))) this.change({ window: [from, to] });
  }

  /** Look at all of it. */
  whole() {
    if (this.window) this.change({ window: null });
  }

  /** Show `factor` of what axis `x` shows, about a share of its width; never more than the whole run. */
  zoom(factor, about, x) {
    const width = (x.high - x.low) * factor;
    const from = x.low + about * (x.high - x.low - width);
    const [first, last] = this.ends(x);
    if (factor > 1 && from <= first && from + width >= last) return this.whole();
    return this.look(Math.max(first, from), Math.min(last, from + width));
  }

  /** Move by a share of the window. */
  pan(by, x) {
    if (!this.window) return;
    const [first, last] = this.ends(x);
    const width = x.high - x.low;
    const from = Math.min(Math.max(x.low + by * width, first), last - width);
    this.look(from, from + width);
  }

  /** The ends of all that can be seen: those of the axis until somebody looked closer. */
  ends(x) {
    if (!this.window) this.known = [x.low, x.high];
    return this.known ?? [x.low, x.high];
  }

  /** Another meaning of the axis; what is seen stays, by the first run's clock. */
  over(axis) {
    const moved = (place) => placeOf(this.runs[0], axis, stepOf(this.runs[0], this.axis, place));
    const window = this.window && this.window.map(moved);
    this.known = this.known && this.known.map(moved);
    this.change({ axis, window });
  }
}

/** A bar of controls for the charts of a section. */
function controls(section, state, charts) {
  const bar = html("div", "tools");
  bar.setAttribute("role", "group");
  bar.setAttribute("aria-label", "How the curves are shown");
  bar.append(smoothing(section, state), ...axes(section, state), zooms(state, charts));
  const how = "Point at a curve, or go along it with the arrow keys. To look closer, drag over it, press + and \u2212, " +
    "or turn the wheel with Ctrl; Esc shows all.";
  section.querySelector("h2").after(bar);
  if (!document.querySelector(".how")) bar.after(html("p", "remark how", how));
}

function smoothing(section, state) {
  const label = html("label", "", "Smoothing ");
  const slider = html("input", "");
  const output = html("output", "");
  Object.assign(slider, { type: "range", min: 0, max: 0.99, step: 0.01, id: `smoothing-${section.id}` });
  label.htmlFor = slider.id;
  output.htmlFor = slider.id;
  slider.addEventListener("input", () => state.change({ past: Number(slider.value) }));
  const sync = () => {
    slider.value = state.past;
    output.textContent = state.past.toFixed(2);
  };
  state.listen(sync);
  sync();
  label.append(slider, output);
  return label;
}

/** A choice of axes, if there is more than one. */
function axes(section, state) {
  const known = (axis) => state.runs.every((run) => run.clock[axis][0].length > 1);
  const names = [["step", "Steps"], ["tokens", "Tokens"], ["seconds", "Time"]];
  const choices = names.filter(([axis]) => axis === "step" || known(axis));
  if (choices.length < 2) return [];
  const field = html("fieldset", "");
  field.append(html("legend", "", "Over"));
  for (const [axis, word] of choices) {
    const radio = html("input", "");
    const id = `over-${section.id}-${axis}`;
    Object.assign(radio, { type: "radio", name: `over-${section.id}`, id, checked: axis === state.axis });
    radio.addEventListener("change", () => state.over(axis));
    state.listen(() => {
      radio.checked = axis === state.axis;
    });
    const label = html("label", "", word);
    label.htmlFor = id;
    field.append(radio, label);
  }
  return [field];
}

function zooms(state, charts) {
  const group = html("div", "zooms");
  const button = (word, act) => {
    const made = html("button", "", word);
    made.type = "button";
    made.addEventListener("click", act);
    group.append(made);
    return made;
  };
  const axis = () => {
    const chart = charts[0];
    if (!chart.axis) chart.draw();
    return chart.axis.x;
  };
  button("Zoom in", () => state.zoom(0.5, 0.5, axis()));
  const out = button("Zoom out", () => state.zoom(2, 0.5, axis()));
  const earlier = button("Earlier", () => state.pan(-0.5, axis()));
  const later = button("Later", () => state.pan(0.5, axis()));
  const whole = button("Whole run", () => state.whole());
  const sync = () => {
    for (const made of [out, earlier, later, whole]) {
      made.setAttribute("aria-disabled", String(state.window === null));
    }
  };
  state.listen(sync);
  sync();
  return group;
}

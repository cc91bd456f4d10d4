// Looking at a chart with a pointer or with keys: values at a place, and a closer look.

/** Movement in pixels from which pressing becomes dragging. */
const DRAG = 6;
/** Share of the window that a key or a turn of the wheel adds or takes away. */
const CLOSER = 0.6;

class Pointer {
  constructor(chart) {
    this.chart = chart;
    this.index = null;
    this.start = null;
    this.tip = html("div", "tip");
    this.tip.hidden = true;
    this.tip.setAttribute("aria-hidden", "true");
    this.brush = html("div", "brush");
    this.brush.hidden = true;
    this.rule = html("div", "rule");
    this.rule.hidden = true;
    const { stage, figure } = chart;
    stage.append(this.rule, this.brush, this.tip);
    stage.addEventListener("pointermove", (event) => this.move(event));
    stage.addEventListener("pointerdown", (event) => this.press(event));
    stage.addEventListener("pointerup", (event) => this.release(event));
    stage.addEventListener("pointercancel", () => this.cancel());
    stage.addEventListener("pointerleave", () => this.leave());
    stage.addEventListener("dblclick", () => chart.state.whole());
    stage.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    stage.addEventListener("keydown", (event) => this.key(event));
    stage.addEventListener("focus", () => stage.matches(":focus-visible") && this.show(this.index ?? 0));
    stage.addEventListener("blur", () => this.hide());
    figure.addEventListener("drawn", () => this.refresh());
    this.describe();
  }

  /** The line along which keys move: the one with the most points in the window. */
  guide() {
    const lines = this.chart.shown();
    const counts = lines.map((line) => this.visible(line).length);
    return lines[counts.indexOf(Math.max(...counts))];
  }

  /** Indices of a line's points in the window. */
  visible(line) {
    const { window } = this.chart.state;
    const places = this.chart.placesOf(line);
    if (!window) return places.map((_, i) => i);
    const from = lowerBound(places, window[0]);
    const to = lowerBound(places, window[1] + Number.EPSILON);
    return Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i);
  }

  /** Share of the plot's width under a pointer. */
  at(event) {
    const box = this.chart.plot.getBoundingClientRect();
    return Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
  }

  axis() {
    if (!this.chart.axis) this.chart.draw();
    return this.chart.axis;
  }

  move(event) {
    const at = this.at(event);
    if (this.start !== null && Math.abs(event.clientX - this.start.x) > DRAG) {
      this.start.dragging = true;
      this.stretch(Math.min(at, this.start.at), Math.max(at, this.start.at));
      this.hide();
      return;
    }
    this.point(at);
  }

  /** Show what is nearest to a share of the width. */
  point(at) {
    const place = this.axis().x.value(at);
    const line = this.guide();
    const candidates = line ? this.visible(line) : [];
    if (candidates.length === 0) return this.hide();
    const places = this.chart.placesOf(line);
    const index = nearest(candidates.map((i) => places[i]), place);
    return this.show(index);
  }

  press(event) {
    if (event.button !== 0) return;
    this.start = { x: event.clientX, at: this.at(event), dragging: false };
    this.chart.stage.setPointerCapture(event.pointerId);
  }

  release(event) {
    const start = this.start;
    this.cancel();
    if (!start) return;
    if (!start.dragging) return this.point(start.at);
    const { x } = this.axis();
    const places = [start.at, this.at(event)].sort((a, b) => a - b).map((at) => x.value(at));
    return this.chart.state.look(...places);
  }

  cancel() {
    this.start = null;
    this.brush.hidden = true;
  }

  leave() {
    if (this.start === null && document.activeElement !== this.chart.stage) this.hide();
  }

  wheel(event) {
    if (!event.ctrlKey && !event.metaKey && !event.shiftKey) return;
    event.preventDefault();
    const turned = event.deltaY || event.deltaX;
    if (event.shiftKey) this.chart.state.pan(Math.sign(turned) * 0.1, this.axis().x);
    else this.chart.state.zoom(turned < 0 ? CLOSER : 1 / CLOSER, this.at(event), this.axis().x);
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { state } = this.chart;
    const line = this.guide();
    const last = line ? this.visible(line).length - 1 : 0;
    const here = Math.min(this.index ?? 0, last);
    const stride = event.shiftKey ? 10 : 1;
    const { x } = this.axis();
    const actions = {
      ArrowRight: () => this.show(Math.min(last, here + stride)),
      ArrowUp: () => this.show(Math.min(last, here + stride)),
      ArrowLeft: () => this.show(Math.max(0, here - stride)),
      ArrowDown: () => this.show(Math.max(0, here - stride)),
      Home: () => this.show(0),
      End: () => this.show(last),
      PageUp: () => state.pan(-0.5, x),
      PageDown: () => state.pan(0.5, x),
      "+": () => state.zoom(CLOSER, this.share(), x),
      "=": () => state.zoom(CLOSER, this.share(), x),
      "-": () => state.zoom(1 / CLOSER, this.share(), x),
      0: () => state.whole(),
      Escape: () => (this.tip.hidden ? state.whole() : this.hide()),
    };
    const action = actions[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  }

  /** Where the point that is shown lies in the window; its middle if none is. */
  share() {
    const line = this.guide();
    const index = line && this.index !== null ? this.visible(line)[this.index] : undefined;
    return index === undefined ? 0.5 : this.axis().x.place(this.chart.placesOf(line)[index]);
  }

  /** After the chart was drawn anew. */
  refresh() {
    if (this.tip.hidden) this.describe();
    else this.show(this.index ?? 0);
  }

  hide() {
    this.tip.hidden = true;
    this.rule.hidden = true;
  }

  /** Show the values at a point of the guide, counted in the window. */
  show(index) {
    const line = this.guide();
    const visible = line ? this.visible(line) : [];
    if (visible.length === 0) return this.hide();
    this.index = Math.min(index, visible.length - 1);
    const step = line.x[visible[this.index]];
    const place = this.chart.placesOf(line)[visible[this.index]];
    const rows = this.values(place);
    this.fill(line, step, rows);
    this.put(this.axis().x.place(place));
    return this.describe();
  }

  /** Lines with a value near a place, and the value in words. */
  values(place) {
    const { chart } = this;
    const reach = (this.axis().x.high - this.axis().x.low) / 50;
    return chart.shown().flatMap((line) => {
      const places = chart.placesOf(line);
      const i = nearest(places, place);
      if (Math.abs(places[i] - place) > reach) return [];
      const strong = significant(chart.valuesOf(line)[i], 4);
      if (line.noisy && !line.bundled) return [{ line, value: strong, more: `measured ${significant(line.y[i], 4)}` }];
      const range = `${significant(line.low[i], 4)} to ${significant(line.high[i], 4)}`;
      return [{ line, value: strong, more: line.bundled && line.low[i] < line.high[i] ? range : "" }];
    });
  }

  /** `step 1,200`, and what that is in tokens and time. */
  where(line, step) {
    const run = this.chart.state.runs[line.run];
    const words = [`${line.bundled ? "about step" : "step"} ${grouped(Math.round(step))}`];
    if (run.clock.tokens[0].length > 1) words.push(`${short(placeOf(run, "tokens", step))} tokens`);
    if (run.clock.seconds[0].length > 1) words.push(duration(placeOf(run, "seconds", step)));
    return words;
  }

  fill(line, step, rows) {
    const head = html("p", "", this.where(line, step).join(" \u00b7 "));
    const list = html("ul", "");
    for (const row of rows) {
      const item = html("li", "");
      const i = this.chart.lines.indexOf(row.line);
      const sample = this.chart.figure.querySelectorAll(".legend .sample")[this.chart.lines.length > 1 ? i : 1];
      if (sample) item.append(sample.cloneNode(true));
      const name = this.chart.lines.length > 1 || !row.line.noisy ? row.line.label : "smoothed";
      item.append(html("span", "", name), html("b", "", row.value));
      if (row.more) item.append(html("small", "", row.more));
      list.append(item);
    }
    this.tip.replaceChildren(head, list);
  }

  /** Move the rule and the values to a share of the width. */
  put(at) {
    const { stage, plot } = this.chart;
    const [outer, inner] = [stage.getBoundingClientRect(), plot.getBoundingClientRect()];
    const left = inner.left - outer.left + at * inner.width;
    this.rule.hidden = false;
    this.rule.style.left = `${left}px`;
    this.rule.style.top = `${inner.top - outer.top}px`;
    this.rule.style.height = `${inner.height}px`;
    this.tip.hidden = false;
    const width = this.tip.offsetWidth;
    const right = left + 14 + width < outer.width;
    this.tip.style.left = `${Math.max(0, right ? left + 14 : left - width - 14)}px`;
    this.tip.style.top = `${inner.top - outer.top + 6}px`;
  }

  stretch(from, to) {
    const { stage, plot } = this.chart;
    const [outer, inner] = [stage.getBoundingClientRect(), plot.getBoundingClientRect()];
    this.brush.hidden = false;
    this.brush.style.left = `${inner.left - outer.left + from * inner.width}px`;
    this.brush.style.width = `${(to - from) * inner.width}px`;
    this.brush.style.top = `${inner.top - outer.top}px`;
    this.brush.style.height = `${inner.height}px`;
  }

  /** Say the same to those who do not see it. */
  describe() {
    const { stage } = this.chart;
    const line = this.guide();
    const visible = line ? this.visible(line) : [];
    const index = Math.min(this.index ?? 0, Math.max(0, visible.length - 1));
    stage.setAttribute("aria-valuemin", "0");
    stage.setAttribute("aria-valuemax", String(Math.max(0, visible.length - 1)));
    stage.setAttribute("aria-valuenow", String(index));
    if (visible.length === 0) return stage.setAttribute("aria-valuetext", "nothing here");
    const i = visible[index];
    const values = this.chart.axis || this.index !== null ? this.values(this.chart.placesOf(line)[i]) : [];
    const words = values.map((row) => `${row.line.label} ${row.value}`);
    return stage.setAttribute("aria-valuetext", [...this.where(line, line.x[i]), ...words].join(", "));
  }
}

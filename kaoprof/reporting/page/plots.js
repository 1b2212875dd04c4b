"use strict";
// Draws each figure that carries its data once more with uPlot, so that it answers to the pointer; its picture is
// what stays without scripts, and what is printed.
const SHAPES = {
  o: "M-1 0a1 1 0 1 0 2 0a1 1 0 1 0-2 0Z", s: "M-.9-.9H.9V.9H-.9Z", "^": "M0-1.15L1.1.85H-1.1Z", v: "M0 1.15L1.1-.85H-1.1Z",
  D: "M0-1.25L1.25 0L0 1.25L-1.25 0Z", P: "M-.4-1.1H.4V-.4H1.1V.4H.4V1.1H-.4V.4H-1.1V-.4H-.4Z",
  X: "M0-.55L.6-1.15L1.15-.6L.55 0L1.15.6L.6 1.15L0 .55L-.6 1.15L-1.15.6L-.55 0L-1.15-.6L-.6-1.15Z",
};
const MARK = 4.5, NEAR = 40, HEIGHT = 320, APART = 34, EDGE = 24; // pixels
const TICKS = 6, STEPS = 40; // of a logarithmic axis; of a slope of theory, which is no line on linear axes
const RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹";
const dark = matchMedia("(prefers-color-scheme: dark)");
const ink = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const shade = (colour) => {
  if (!dark.matches) return colour;
  const parts = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
  return `rgb(${parts.map((part) => Math.round(part + 0.35 * (255 - part))).join(" ")})`;
};
const make = (tag, kind, text) => Object.assign(document.createElement(tag), { className: kind ?? "", textContent: text ?? "" });
const amount = (value, steps) => {
  const [factor, unit] = steps.find(([least]) => Math.abs(value) >= least) ?? steps.at(-1);
  return value ? `${Number((value / factor).toPrecision(3))} ${unit}`.trim() : "0";
};

// Ticks: sizes that were run, as many as have room; powers of the base, or 1, 2, 5 times them.
const sizeTicks = (sizes, log) => (u, axis, min, max) => {
  const place = (x) => (log ? Math.log(x / min) / Math.log(max / min) : (x - min) / (max - min)) * (u.bbox.width / devicePixelRatio || u.width);
  const kept = [];
  for (const size of sizes.filter((x) => x >= min && x <= max).reverse())
    if (!kept.length || place(kept[0]) - place(size) >= APART) kept.unshift(size);
  return kept;
};
const powerTicks = (base) => (u, axis, min, max) => {
  const [low, high] = [min, max].map((value) => Math.log(value) / Math.log(base));
  const factors = base === 10 && high - low < 2 ? [1, 2, 5] : [1];
  const step = Math.max(1, Math.ceil((high - low) / TICKS)), ticks = [];
  for (let power = Math.floor(low / step) * step; power <= high; power += step)
    for (const factor of factors) ticks.push(factor * base ** power);
  return ticks.filter((tick) => tick >= min && tick <= max);
};
const beyond = (log) => (u, min, max) => {
  if (min === null || max === null) return [1, 10];
  if (log) return [min / 1.15, max * 1.15];
  const more = 0.05 * (max - min || max);
  return [Math.max(0, min - more), max + more];
};

// What is drawn over uPlot's lines: slopes of theory, what is allowed, intervals, marks.
const drawMark = (context, curve, mark, x, y, colour) => {
  const radius = MARK * devicePixelRatio;
  context.save();
  context.translate(x, y);
  context.scale(radius, radius);
  context.strokeStyle = context.fillStyle = colour;
  context.lineWidth = (mark.lost ? 2 : 1.3) / MARK;
  const path = new Path2D(mark.lost ? "M-1-1L1 1M1-1L-1 1" : SHAPES[curve.marker]);
  if (!mark.lost && !curve.hollow) context.fill(path);
  context.stroke(path);
  context.restore();
};
const drawLine = (u, points, dash, colour, width = 1) => {
  const context = u.ctx;
  context.save();
  context.strokeStyle = colour;
  context.lineCap = context.lineJoin = "round";
  context.lineWidth = width * devicePixelRatio;
  context.setLineDash(dash.map((part) => part * devicePixelRatio));
  context.beginPath();
  points.forEach(([x, y], number) => context[number ? "lineTo" : "moveTo"](u.valToPos(x, "x", true), u.valToPos(y, "y", true)));
  context.stroke();
  context.restore();
};
const write = (u, text, x, y, right, down) => {
  u.ctx.font = `${12 * devicePixelRatio}px system-ui, sans-serif`;
  u.ctx.fillStyle = ink("quiet");
  u.ctx.textAlign = "left";
  u.ctx.textBaseline = "alphabetic";
  u.ctx.fillText(text, u.valToPos(x, "x", true) + right * devicePixelRatio, u.valToPos(y, "y", true) + down * devicePixelRatio);
};
const placeOf = (u, mark) => [u.valToPos(mark.x, "x", true), mark.y === null ? u.bbox.top : u.valToPos(mark.y, "y", true)];
const drawOver = (u, panel, sizes, axis) => {
  u.ctx.save();
  u.ctx.beginPath();
  u.ctx.rect(u.bbox.left, u.bbox.top - EDGE, u.bbox.width + EDGE * devicePixelRatio, u.bbox.height + 2 * EDGE);
  u.ctx.clip();
  for (const [exponent, x, y] of panel.guides) {
    const steps = Array.from({ length: STEPS + 1 }, (_, part) => sizes[0] * (x / sizes[0]) ** (part / STEPS));
    drawLine(u, steps.map((at) => [at, y * (at / x) ** exponent]), [2, 3], ink("quiet"));
    write(u, `${axis}${[...String(exponent)].map((digit) => RAISED[digit]).join("")}`, x, y, 8, 4);
  }
  if (panel.limit !== null) {
    drawLine(u, [[u.scales.x.min, panel.limit], [u.scales.x.max, panel.limit]], [1, 3], ink("quiet"));
    write(u, "allowed", u.scales.x.min, panel.limit, 4, -5);
  }
  const bent = panel.curves.filter((curve, number) => u.series[number + 1].show && curve.bent.length);
  for (const curve of bent) drawLine(u, curve.bent, [], ink("shadow"), 9);
  panel.curves.forEach((curve, number) => {
    if (!u.series[number + 1].show) return;
    const colour = shade(curve.colour);
    for (const mark of curve.marks) {
      if (mark.low !== null && mark.high !== null) drawLine(u, [[mark.x, mark.low], [mark.x, mark.high]], [], colour);
      drawMark(u.ctx, curve, mark, ...placeOf(u, mark), colour);
    }
  });
  u.ctx.restore();
};

// The mark that is nearest to the pointer says what it is.
const nearest = (u, panel) => {
  const { left, top } = u.cursor;
  let best = null, least = NEAR;
  panel.curves.forEach((curve, number) => {
    if (!u.series[number + 1].show) return;
    for (const mark of curve.marks) {
      const x = u.valToPos(mark.x, "x"), y = mark.y === null ? 0 : u.valToPos(mark.y, "y");
      const away = Math.hypot(x - left, y - top);
      if (away < least) [best, least] = [{ curve, mark, x, y }, away];
    }
  });
  return left < 0 ? null : best;
};
const tell = (u, panel, label, tip) => {
  const near = nearest(u, panel);
  tip.hidden = near === null;
  if (near === null) return;
  tip.replaceChildren(make("strong", "", near.curve.name), make("span", "", `${label}: ${near.mark.at ?? near.mark.x}`), make("span", "", near.mark.text));
  tip.classList.toggle("left", near.x > u.over.clientWidth / 2);
  tip.style.left = `${near.x}px`;
  tip.style.top = `${near.y}px`;
};

const isShown = (curve, state) => curve.keys.some((key) => !state.off.has(key));
const plot = (place, data, panel, state) => {
  const sizes = [...new Set(panel.curves.flatMap((curve) => [...curve.line.map(([x]) => x), ...curve.marks.map((mark) => mark.x)]))].sort((a, b) => a - b);
  const lines = panel.curves.map((curve) => new Map(curve.line));
  const tip = make("div", "tip");
  tip.setAttribute("role", "status");
  tip.hidden = true;
  const axis = (more) => ({ stroke: ink("ink"), grid: { stroke: ink("line"), width: 1 }, ticks: { stroke: ink("line"), width: 1 }, font: "12px system-ui, sans-serif", labelFont: "13px system-ui, sans-serif", ...more });
  const label = panel.x ?? data.x, counts = panel.x_steps.length > 0; // along counts ticks are powers, else sizes
  const across = counts
    ? { size: 26, values: (u, ticks) => ticks.map((tick) => amount(tick, panel.x_steps)), ...(state.log ? { splits: powerTicks(10) } : {}) }
    : { size: 26, splits: sizeTicks(sizes, state.log), values: (u, ticks) => ticks };
  const scale = (base) => ({ time: false, distr: state.log ? 3 : 1, log: base, range: beyond(state.log) });
  const options = {
    width: place.clientWidth, height: HEIGHT, legend: { show: false }, padding: [8, EDGE, 0, 0],
    scales: { x: scale(counts ? 10 : 2), y: scale(panel.base) },
    axes: [
      axis({ label, labelSize: 20, filter: (u, ticks) => ticks, ...across }),
      axis({ size: 68, values: (u, ticks) => ticks.map((tick) => amount(tick, panel.steps)), filter: (u, ticks) => ticks, ...(state.log ? { splits: powerTicks(panel.base) } : {}) }),
    ],
    series: [{}, ...panel.curves.map((curve) => ({
      label: curve.name, stroke: shade(curve.colour), width: 1.4, dash: curve.dash.map((part) => 2 * part), spanGaps: true,
      points: { show: false }, show: isShown(curve, state),
    }))],
    cursor: { drag: { x: true, y: true, uni: 20 }, points: { show: false } },
    hooks: { draw: [(u) => drawOver(u, panel, sizes, data.axis)], setCursor: [(u) => tell(u, panel, label, tip)] },
  };
  const drawn = new uPlot(options, [sizes, ...lines.map((line) => sizes.map((x) => line.get(x) ?? null))], place);
  drawn.over.append(tip);
  return drawn;
};

const keyOf = (curve) => {
  const space = "http://www.w3.org/2000/svg";
  const key = document.createElementNS(space, "svg");
  const colour = shade(curve.colour);
  const parts = { line: { x1: 0, x2: 28, y1: 7, y2: 7, stroke: colour, "stroke-width": 1.6, "stroke-dasharray": curve.dash.map((part) => 2 * part).join(" ") },
    path: { d: SHAPES[curve.marker], transform: "translate(14 7) scale(4)", fill: curve.hollow ? ink("paper") : colour, stroke: colour, "stroke-width": 0.3 } };
  for (const [name, attributes] of Object.entries({ svg: { viewBox: "0 0 28 14", width: 28, height: 14, "aria-hidden": "true" }, ...parts })) {
    const element = name === "svg" ? key : key.appendChild(document.createElementNS(space, name));
    for (const [attribute, value] of Object.entries(attributes)) element.setAttribute(attribute, value);
  }
  return key;
};
const enliven = (figure) => {
  const data = JSON.parse(figure.dataset.plot);
  const state = { log: true, off: new Set() };
  const live = make("div", "live"), legend = make("div", "legend"), panels = make("div", "panels"), tools = make("div", "tools");
  const shown = data.panels.map((panel) => ({ panel, place: make("div", "panel"), drawn: null }));
  const draw = (only) => {
    for (const entry of shown.filter((one) => (only ? one === only : true) && one.place.clientWidth > 0)) {
      entry.drawn?.destroy();
      entry.drawn = plot(entry.place, data, entry.panel, state);
    }
  };
  const all = data.panels.flatMap((panel) => panel.curves);
  const curves = new Map(all.flatMap((curve) => curve.keys).map((key) => [key, all.find((curve) => curve.name === key) ?? all.find((curve) => curve.keys.includes(key))]));
  const fill = () => legend.replaceChildren(...Array.from(curves, ([name, curve]) => {
    const button = make("button", "key");
    button.type = "button";
    button.append(keyOf(curve), name);
    button.setAttribute("aria-pressed", String(!state.off.has(name)));
    button.addEventListener("click", () => {
      state.off[state.off.has(name) ? "delete" : "add"](name);
      button.setAttribute("aria-pressed", String(!state.off.has(name)));
      for (const { panel, drawn } of shown) panel.curves.forEach((other, number) => {
        if (other.keys.includes(name)) drawn?.setSeries(number + 1, { show: isShown(other, state) });
      });
    });
    return button;
  }));
  const tool = (text, act) => {
    const button = make("button", "tool", text);
    button.type = "button";
    button.addEventListener("click", () => act(button));
    tools.append(button);
  };
  tool("linear axes", (button) => {
    state.log = !state.log;
    button.textContent = state.log ? "linear axes" : "logarithmic axes";
    draw();
  });
  tool("whole range", () => draw());
  tools.append(make("span", "quiet", ["Drag to zoom in; a name switches its curve off and on.", ...data.notes].join(" ")));
  for (const entry of shown) {
    const frame = make("div", "frame");
    frame.append(make("div", "title", entry.panel.title), entry.place);
    panels.append(frame);
    new ResizeObserver(() => {
      if (entry.drawn && entry.place.clientWidth > 0) entry.drawn.setSize({ width: entry.place.clientWidth, height: HEIGHT });
      else draw(entry);
    }).observe(entry.place);
  }
  fill();
  live.append(legend, panels, tools);
  figure.prepend(live);
  figure.classList.add("drawn");
  dark.addEventListener("change", () => { fill(); draw(); });
};
document.querySelectorAll("figure[data-plot]").forEach(enliven);

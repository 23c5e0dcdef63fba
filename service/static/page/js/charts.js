// What both plots share: Chart.js (loaded before the modules) in the colours of the page.

const { Chart } = window;

/** Return a colour of the page as the browser resolves it for the theme in force. */
export function colour(name) {
  const probe = document.createElement("span");
  probe.style.color = `var(--${name})`;
  document.body.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}

/** Return the same colour, lighter; `alpha` from 0 to 1. */
export const washed = (value, alpha) => `color-mix(in srgb, ${value} ${alpha * 100}%, transparent)`;

/**
 * Make a chart, and make it again in the new colours when the theme changes.
 * `configure` returns the configuration; the caller's `draw` fills it.
 */
export function themedChart(canvas, configure, draw) {
  let chart = null;
  const build = () => {
    chart?.destroy();
    Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
    Chart.defaults.font.size = 13;
    Chart.defaults.color = colour("soft");
    Chart.defaults.borderColor = colour("edge");
    chart = new Chart(canvas, configure());
    draw(chart);
  };
  document.addEventListener("themechange", build);
  document.fonts.ready.then(build);
  return { redraw: () => chart && draw(chart) };
}

/** Return a tooltip's look. */
export const tooltip = (callbacks) => ({
  displayColors: false, padding: 10, cornerRadius: 8, backgroundColor: colour("ink"),
  titleColor: colour("ground"), bodyColor: colour("ground"), callbacks,
});

/** Return an axis with a title. */
export const axis = (text, more = {}) => ({
  title: { display: Boolean(text), text }, border: { display: false }, ...more,
});

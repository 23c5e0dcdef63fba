// Numbers for people. The space before a unit breaks no line.

const SPACE = "\u00a0";
const figures = (value, options) => new Intl.NumberFormat("en", options).format(value);

export function milliseconds(value) {
  const digits = value < 10 ? 2 : value < 100 ? 1 : 0;
  return `${figures(value, { minimumFractionDigits: digits, maximumFractionDigits: digits })}${SPACE}ms`;
}

export function percent(share, digits = 1) {
  const value = figures(share * 100, { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return `${value}${SPACE}%`;
}

function scaled(value, steps) {
  const [size, unit] = steps.find(([step]) => value >= step) ?? steps.at(-1);
  return `${figures(value / size, { maximumSignificantDigits: 3 })}${SPACE}${unit}`;
}

export const bytes = (value) => scaled(value, [[1e9, "GB"], [1e6, "MB"], [1e3, "kB"], [1, "bytes"]]);
export const count = (value) => scaled(value, [[1e9, "G"], [1e6, "M"], [1e3, "k"], [1, ""]]).trim();
export const whole = (value) => figures(value);
export const plural = (n, one, many = `${one}s`) => `${figures(n)} ${n === 1 ? one : many}`;

/** Return what an execution provider is called for short: CPUExecutionProvider is CPU. */
export const provider = (name) => name.replace(/ExecutionProvider$/, "");

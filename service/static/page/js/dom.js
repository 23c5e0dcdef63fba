// Elements without markup in strings: text from the server is only ever text.

/** Return the element with an id. */
export const byId = (id) => document.getElementById(id);

/**
 * Make an element. `properties` are attributes, except `style`, an object of CSS custom
 * properties, and functions, which become listeners (`onclick`). False and null are left out.
 */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "style") {
      for (const [key, text] of Object.entries(value)) element.style.setProperty(key, text);
    } else if (typeof value === "function") {
      element.addEventListener(name.slice(2), value);
    } else {
      element.setAttribute(name, value === true ? "" : value);
    }
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** Give a select these options, `[value, text]`, and keep its choice where it is still there. */
export function fillSelect(select, options, fallback) {
  const before = select.value;
  select.replaceChildren(...options.map(([value, text]) => new Option(text, value)));
  const values = options.map(([value]) => value);
  select.value = [before, fallback, values[0]].find((value) => values.includes(value)) ?? "";
  select.disabled = options.length === 0;
}

// Light or dark: what the system prefers until somebody says otherwise. A classic script in the
// head, so that the first paint already has the right colours.
(() => {
  const KEY = "featherbox.theme";
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");

  function stored() {
    try { return localStorage.getItem(KEY); } catch { return null; }
  }
  function keep(theme) {
    try {
      if (theme) localStorage.setItem(KEY, theme);
      else localStorage.removeItem(KEY);
    } catch { /* storage is switched off: the choice holds until the page is left */ }
  }
  const systemTheme = () => (system.matches ? "dark" : "light");
  const current = () => root.dataset.theme ?? systemTheme();

  function show(theme) {
    if (theme && theme !== systemTheme()) root.dataset.theme = theme;
    else delete root.dataset.theme;
    document.getElementById("theme")?.setAttribute("aria-pressed", String(current() === "dark"));
    document.dispatchEvent(new Event("themechange"));
  }

  show(stored());
  system.addEventListener("change", () => show(stored()));
  document.addEventListener("DOMContentLoaded", () => {
    show(stored());
    document.getElementById("theme").addEventListener("click", () => {
      const wanted = current() === "dark" ? "light" : "dark";
      keep(wanted === systemTheme() ? null : wanted);
      show(wanted);
    });
  });
})();

// Light, dark, or what the system says.

const KEY = "muster.theme";
const NEXT = { system: "light", light: "dark", dark: "system" };

export function theme() {
  return document.documentElement.dataset.theme ?? "system";
}

// Goes on to the next theme and returns it.
export function nextTheme() {
  const chosen = NEXT[theme()];
  if (chosen === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = chosen;
  try {
    if (chosen === "system") localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, chosen);
  } catch {
    // Not kept where storage is forbidden.
  }
  return chosen;
}

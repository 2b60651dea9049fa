// Sets the theme before anything is drawn.
"use strict";
try {
  const chosen = localStorage.getItem("beamlens-theme");
  if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
} catch { /* there is no storage: the system's theme it is */ }

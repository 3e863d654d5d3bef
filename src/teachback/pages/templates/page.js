"use strict";
(() => {
  const themes = ["auto", "light", "dark"];
  const button = document.getElementById("theme");
  let theme = 0;
  button.hidden = false;
  button.addEventListener("click", () => {
    theme = (theme + 1) % themes.length;
    document.documentElement.dataset.theme = themes[theme];
    button.textContent = `theme: ${themes[theme]}`;
  });

  // What is folded is printed, too, except in the browser of rows.
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("section:not(#rows) details:not([open])")];
    for (const details of opened) details.open = true;
  });
  addEventListener("afterprint", () => {
    for (const details of opened) details.open = false;
  });
})();

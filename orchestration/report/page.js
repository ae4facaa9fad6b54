// Draws the charts in the chosen language and keeps language and theme; asks no network for anything.
(() => {
  "use strict";
  const root = document.documentElement;
  const { specs, data, titles, locale } = JSON.parse(document.getElementById("charts").textContent);
  let drawing = 0;

  const records = ({ columns, rows }) => rows.map((row) => Object.fromEntries(columns.map((name, i) => [name, row[i]])));
  const cell = (value) => (value === null ? "" : `"${String(value).replaceAll('"', '""')}"`);
  const csv = ({ columns, rows }) => [columns, ...rows].map((row) => row.map(cell).join(",")).join("\r\n");

  async function draw(language) {
    const turn = ++drawing;
    root.dataset.drawn = "";
    for (const place of document.querySelectorAll("[data-chart]")) {
      const name = place.dataset.chart;
      await vegaEmbed(place, { ...specs[language][name], datasets: { [name]: records(data[name]) } }, {
        renderer: "svg",
        ast: true,
        timeFormatLocale: locale[language],
        downloadFileName: name,
        actions: { export: { svg: true, png: true }, source: false, compiled: false, editor: false },
      });
      if (turn !== drawing) return;
      place.closest(".charts").classList.add("is-drawn");
    }
    root.dataset.drawn = language;
  }

  function press(attribute, value) {
    for (const button of document.querySelectorAll(`[${attribute}]`)) {
      button.setAttribute("aria-pressed", String(button.getAttribute(attribute) === value));
    }
  }

  function speak(language) {
    root.lang = root.dataset.lang = language;
    document.title = titles[language];
    press("data-set-lang", language);
    draw(language).catch((problem) => console.error(problem));
  }

  function light(theme) {
    root.dataset.theme = theme;
    press("data-set-theme", theme);
  }

  function download(name) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob(["\ufeff", csv(data[name])], { type: "text/csv" }));
    link.download = `tidegauge-${name}.csv`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.setLang) speak(button.dataset.setLang);
    if (button.dataset.setTheme) light(button.dataset.setTheme);
    if (button.dataset.download) download(button.dataset.download);
  });

  const asked = new URLSearchParams(location.search);
  light(["light", "dark"].includes(asked.get("theme")) ? asked.get("theme") : "auto");
  speak(asked.get("lang") in specs ? asked.get("lang") : root.dataset.lang);
})();

// What every page has: times as the reader's clock shows them, forms that speak to the API, and parts that stay fresh.

import "./forms.js";
import "./fresh.js";

const format = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "medium", timeStyle: "short" });

export function showTimes(root = document) {
  for (const time of root.querySelectorAll("time[datetime]:not([data-shown])")) {
    time.dataset.shown = "";
    time.title = time.textContent;
    time.textContent = format.format(new Date(time.dateTime));
  }
}

showTimes();
document.addEventListener("fresh", (event) => showTimes(event.target));

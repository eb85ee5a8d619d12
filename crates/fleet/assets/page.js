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
// The page that is open is one of the pages that are seen.
const sections = document.querySelector(".sections");
const open = sections?.querySelector("[aria-current]");
if (open) sections.scrollLeft = open.offsetLeft - (sections.clientWidth - open.offsetWidth) / 2;
document.addEventListener("fresh", (event) => showTimes(event.target));

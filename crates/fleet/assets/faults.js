// Why parts of a board do not work, in their modules' own words, for as long as they do not.

const place = document.getElementById("faults");

async function refresh() {
  const answer = await fetch(`/devices/${encodeURIComponent(place.dataset.device)}/faults`, { headers: { Accept: "application/json" } });
  // A hub that cannot be asked says nothing about the board.
  if (!answer.ok) return;
  const faults = Object.entries(await answer.json()).filter(([, why]) => why);
  place.replaceChildren(...faults.map(([module, why]) => {
    const line = document.createElement("li");
    line.className = "form-problem";
    line.textContent = `${module}: ${why}`;
    return line;
  }));
}

if (place) {
  refresh();
  // A module tells first that its state is another, and then why.
  document.addEventListener("fresh", () => [0, 2000].forEach((wait) => setTimeout(refresh, wait)));
}

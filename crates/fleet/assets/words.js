// What scripts say, in the page's language.

const { default: words } = await import(`/assets/words-${document.documentElement.lang}.js`);

// What the API refused. It speaks English, and in more detail.
export function explain(problem) {
  if (document.documentElement.lang === "en") return problem.detail;
  const known = words[`refused.${problem.code}`];
  return known ?? `${words[problem.field ? "refused.field" : "refused.other"]} (${problem.detail})`;
}

export function say(name, values = {}) {
  const text = words[name] ?? name;
  return text.replace(/\{(\w+)\}/g, (place, key) => values[key] ?? place);
}

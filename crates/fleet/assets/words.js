// What scripts say, in the page's language.

const { default: words } = await import(`/assets/words-${document.documentElement.lang}.js`);

export function say(name, values = {}) {
  const text = words[name] ?? name;
  return text.replace(/\{(\w+)\}/g, (place, key) => values[key] ?? place);
}

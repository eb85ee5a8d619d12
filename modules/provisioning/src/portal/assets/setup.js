// The form: mistakes are shown where they were made, before anything is sent. The device looks for them again.
const form = document.getElementById("setup");
const key = document.getElementById("symmetricKey");
const showKey = document.getElementById("show-key");

// An empty text when the key is one; the device says the same.
function keyProblem(text) {
  if (text === "") return key.required ? "The key is missing." : "";
  if (text.includes("SharedAccessKey=")) return "That is a whole connection string: the key is what follows SharedAccessKey=.";
  const whole = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
  if (!whole.test(text)) return "The key is not base64: copy it whole, to its last =.";
  const bytes = atob(text).length;
  return bytes < 16 || bytes > 64 ? `The key has ${bytes} bytes, and a key has 16 to 64: copy it whole.` : "";
}

function problem(field) {
  if (field === key) return keyProblem(field.value.trim());
  if (field.validity.valueMissing) return "This is needed.";
  return field.validity.patternMismatch ? `Only ${field.title}.` : "";
}

function check(field) {
  const words = problem(field);
  const place = document.getElementById(`${field.name}-problem`);
  place.textContent = words;
  place.hidden = words === "";
  if (words) field.setAttribute("aria-invalid", "true");
  else field.removeAttribute("aria-invalid");
  return words === "";
}

const fields = [...form.elements].filter((element) => element.matches("input:not([type=hidden])"));
form.noValidate = true;
form.addEventListener("submit", (event) => {
  const wrong = fields.filter((field) => !check(field));
  if (wrong.length === 0) return;
  event.preventDefault();
  wrong[0].focus();
});
// Not before it is sent: words that appear when a field is left push away the button that is being pressed.
for (const field of fields) field.addEventListener("input", () => field.hasAttribute("aria-invalid") && check(field));

showKey.hidden = false;
showKey.addEventListener("click", () => {
  const shown = key.type === "password";
  key.type = shown ? "text" : "password";
  showKey.textContent = shown ? "Hide" : "Show";
  showKey.setAttribute("aria-pressed", String(shown));
});

// Opened by a link from a set-up code: what stands after the `#` never was on the network, and does not stay in the
// browser's history.
if (location.hash.startsWith("#cow:")) {
  const code = location.hash.slice(1);
  history.replaceState(null, "", "/");
  const codeForm = document.getElementById("code-form");
  codeForm.elements.code.value = code;
  codeForm.requestSubmit();
}

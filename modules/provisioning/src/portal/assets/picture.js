// A picture of a code: made small and grey here, read by the device. Pages without TLS get no camera and no reader of
// codes from a browser, but every phone takes a picture for a file field.
const LONGEST = 1200;

const form = document.getElementById("picture-form");
const problem = document.getElementById("picture-problem");
const working = document.getElementById("picture-working");
const token = document.querySelector("#setup [name=token]").value;

function complain(words) {
  problem.textContent = words;
  problem.hidden = words === "";
}

async function grey(file) {
  const picture = await createImageBitmap(file);
  const scale = Math.min(1, LONGEST / Math.max(picture.width, picture.height));
  const width = Math.max(1, Math.round(picture.width * scale));
  const height = Math.max(1, Math.round(picture.height * scale));
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  // What is transparent is taken for paper.
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  context.drawImage(picture, 0, 0, width, height);
  const { data } = context.getImageData(0, 0, width, height);
  const pixels = new Uint8Array(width * height);
  for (let at = 0; at < pixels.length; at++) {
    pixels[at] = (data[4 * at] * 77 + data[4 * at + 1] * 151 + data[4 * at + 2] * 28) >> 8;
  }
  return { width, pixels };
}

async function read(file) {
  let picture;
  try {
    picture = await grey(file);
  } catch {
    return complain("This browser cannot read that picture.");
  }
  const headers = { "content-type": "application/octet-stream", "x-form-token": token };
  const answer = await fetch(`/picture?width=${picture.width}`, { method: "POST", headers, body: picture.pixels });
  if (answer.status === 204) return location.assign("/");
  if (answer.status === 401) return location.assign("/sign-in");
  const { problem } = await answer.json().catch(() => ({}));
  complain(problem ?? "The device could not take that picture.");
}

form.hidden = false;
for (const input of form.querySelectorAll("input[type=file]")) {
  input.addEventListener("change", async () => {
    const [file] = input.files;
    if (!file) return;
    complain("");
    working.hidden = false;
    try {
      await read(file);
    } catch {
      complain("The device does not answer. Try again.");
    } finally {
      working.hidden = true;
      // The same picture again is a try again.
      input.value = "";
    }
  });
}

// Where a picture comes from: the file picker, the camera, a drop, the clipboard, a sample.

import { byId } from "./dom.js";

let shownUrl = null;

/** Call `take(blob, name)` for every picture that somebody gives to the page. */
export function listenForPictures(take) {
  for (const input of [byId("file"), byId("camera")]) {
    input.addEventListener("change", () => {
      const [file] = input.files;
      input.value = ""; // so that the same file may be chosen twice
      if (file) take(file, file.name);
    });
  }
  listenForDrops(take);
  document.addEventListener("paste", (event) => {
    const [file] = event.clipboardData?.files ?? [];
    if (!file) return;
    event.preventDefault();
    take(file, "the clipboard");
  });
  for (const button of document.querySelectorAll("[data-sample]")) {
    button.addEventListener("click", async () => {
      const image = button.querySelector("img");
      take(await (await fetch(image.src)).blob(), button.dataset.sample);
    });
  }
}

function listenForDrops(take) {
  const carriesFile = (event) => event.dataTransfer?.types.includes("Files");
  const mark = (on) => document.body.classList.toggle("dragging", on);
  document.addEventListener("dragover", (event) => {
    if (!carriesFile(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
    mark(true);
  });
  document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) mark(false); });
  document.addEventListener("drop", (event) => {
    mark(false);
    if (!carriesFile(event)) return;
    event.preventDefault(); // or the browser would leave the page for the file
    const [file] = event.dataTransfer.files;
    if (file) take(file, file.name);
  });
}

/** Show a picture; a format that this browser cannot show stays blank, the server may know it. */
export function showPicture(blob, name) {
  const preview = byId("preview");
  if (shownUrl) URL.revokeObjectURL(shownUrl);
  shownUrl = URL.createObjectURL(blob);
  preview.src = shownUrl;
  preview.alt = `The picture to classify, ${name}`;
  preview.hidden = false;
  preview.onerror = () => {
    preview.hidden = true;
    byId("drop-hint").hidden = false;
    byId("drop-hint").lastElementChild.textContent = `${name} cannot be shown here`;
  };
  byId("drop").classList.add("filled");
  byId("drop-hint").hidden = true;
  byId("drop-again").hidden = false;
}
